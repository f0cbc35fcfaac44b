# SPDX-License-Identifier: GPL-2.0
#
# kunit.py --qemu_config: as i386, but when the suites are through the kernel
# goes on to /init, which writes down what they have covered. kunit.py puts
# kunit_shutdown=reboot at the end of the command line: behind "--" it is a word
# for /init, and the kernel does not look at it.
from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='i386',
			   kconfig='''
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y''',
			   qemu_arch='i386',
			   kernel_path='arch/x86/boot/bzImage',
			   kernel_command_line='console=ttyS0 --',
			   extra_qemu_params=[])
