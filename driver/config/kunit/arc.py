# SPDX-License-Identifier: GPL-2.0
#
# kunit.py --qemu_config: enough to build; Debian's QEMU has no such machine.
from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='arc',
			   kconfig='',
			   qemu_arch='arc',
			   kernel_path='vmlinux',
			   kernel_command_line='',
			   extra_qemu_params=[])
