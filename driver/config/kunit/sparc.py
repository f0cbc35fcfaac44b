# SPDX-License-Identifier: GPL-2.0
#
# kunit.py --qemu_config: QEMU's SparcStation 20, which takes more memory than
# the machine that the tree's own configuration names.
from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='sparc',
			   kconfig='''
CONFIG_KUNIT_FAULT_TEST=n
CONFIG_SPARC32=y
CONFIG_SERIAL_SUNZILOG=y
CONFIG_SERIAL_SUNZILOG_CONSOLE=y''',
			   qemu_arch='sparc',
			   kernel_path='arch/sparc/boot/zImage',
			   kernel_command_line='console=ttyS0',
			   extra_qemu_params=['-M', 'SS-20'])
