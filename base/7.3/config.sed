# SPDX-License-Identifier: GPL-2.0
#
# The options of driver/config/ that have another name here, or are gone
s/^CONFIG_NOHIGHMEM=y/# CONFIG_HIGHMEM4G is not set/
s/^CONFIG_HIGHMEM64G=y/CONFIG_HIGHMEM4G=y\nCONFIG_X86_PAE=y/
/^CONFIG_\(HIGHPTE\|REISERFS_FS\|PROC_SYSCTL\|NFS_V4_1\|ZSWAP_ZPOOL_DEFAULT_ZSMALLOC\)=/d
# The least preemption that i386 can have
s/^CONFIG_PREEMPT_NONE=y/CONFIG_PREEMPT_LAZY=y/
