# SPDX-License-Identifier: GPL-2.0
#
# kunit.py --qemu_config: QEMU's PowerMac G3, whose kernel gets its memory
# layout from Open Firmware.
from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='powerpc',
			   kconfig='''
CONFIG_PPC_OF_BOOT_TRAMPOLINE=y
CONFIG_SERIAL_PMACZILOG=y
CONFIG_SERIAL_PMACZILOG_CONSOLE=y''',
			   qemu_arch='ppc',
			   kernel_path='vmlinux',
			   kernel_command_line='console=ttyPZ0',
			   extra_qemu_params=['-M', 'g3beige'])
