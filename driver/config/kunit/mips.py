# SPDX-License-Identifier: GPL-2.0
#
# kunit.py --qemu_config: QEMU's malta board, with 256 MB below and 768 MB
# above the hole that its I/O space leaves in the physical address space.
from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='mips',
			   kconfig='''
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y''',
			   qemu_arch='mipsel',
			   kernel_path='vmlinux',
			   kernel_command_line='console=ttyS0 '
			   'mem=256m@0x0 mem=768m@0x90000000',
			   extra_qemu_params=['-M', 'malta'])
