# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How tools/testing/highmem/test.c is built: mm/highmem.c and mm/kmap_local.c as
# a program. For driver/fuzz and driver/mutants.

USER_TEST=$ROOT/tools/testing/highmem
USER_BUILD=$BUILD/user
# The files under test; another tree than ours has them elsewhere
USER_SOURCES=$ROOT
# shellcheck disable=SC2034
USER_PACKAGES=(gcc libc6-dev clang-14 libclang-rt-14-dev libfuzzer-14-dev)

# What is taken from the kernel's source as it is.
KERNEL_HEADERS='linux/(list_nulls|rculist_nulls|hash|kconfig|compiler_attributes)\.h'

# user_headers: a folder of all headers that the files under test include: ours,
# the kernel's, and a line that leads to shim.h for each of the others.
user_headers() {
	local name from dir=$USER_BUILD/include.new kernel=$LINUX-pristine
	rm -rf "$dir"
	mkdir -p "$dir/generated"
	: >"$dir/generated/autoconf.h"
	for name in $(cat "$USER_SOURCES"/mm/{highmem,kmap_local}.c \
		"$USER_SOURCES"/{mm/highmem_debug.h,include/linux/highmem*.h} \
		"$USER_SOURCES/arch/x86/include/asm/highmem.h" \
		"$kernel"/include/linux/{list_nulls,rculist_nulls,hash}.h |
		sed -nE 's/^#[ \t]*include <((linux|asm|trace)\/.*)>.*/\1/p') \
		linux/highmem-internal.h linux/kconfig.h linux/compiler_attributes.h; do
		mkdir -p "$dir/${name%/*}"
		if [[ $name == linux/highmem*.h ]]; then
			from=$USER_SOURCES/include/$name
		elif [[ $name == asm/highmem.h ]]; then
			from=$USER_SOURCES/arch/x86/include/$name
		elif [[ $name =~ ^$KERNEL_HEADERS$ ]]; then
			from=$kernel/include/$name
		else
			echo '#include "shim.h"' >"$dir/$name"
			continue
		fi
		cp "$from" "$dir/$name" ||
			die "$from is missing; run make tree, then this again"
	done
	rm -rf "$USER_BUILD/include"
	mv "$dir" "$USER_BUILD/include"
}

# user_compile PROGRAM SOURCES OUT: PROGRAM is one of those below, SOURCES a folder
# that has mm/. -fwrapv and -fno-strict-aliasing as in the kernel.
user_compile() {
	local flags=() cc=clang-14
	case $1 in
	tasks) cc=gcc flags=(-O2 -fno-pie -no-pie) ;;
	tasks-debug) cc=gcc
		flags=(-O2 -fno-pie -no-pie -DCONFIG_DEBUG_KMAP_LOCAL=1
			-DSIM_ZERO_IS_PRESENT) ;;
	tasks-low) cc=gcc
		flags=(-O2 -fno-pie -no-pie -DSIM_FIRST_BLOCK=0
			-DKM_MAX_IDX=17) ;;
	tasks-asan) flags=(-O1 -DSIM_FIRST_BLOCK=0 -fsanitize="address,undefined"
		-fno-sanitize-recover=all) ;;
	threads) cc=gcc flags=(-O2 -DTHREADS) ;;
	threads-asan) flags=(-O1 -DTHREADS
		-fsanitize="address,undefined" -fno-sanitize-recover=all) ;;
	threads-tsan) flags=(-O1 -DTHREADS -fsanitize=thread) ;;
	fuzzer) flags=(-O1 -DFUZZER
		-fsanitize="fuzzer,address,undefined" -fno-sanitize-recover=all) ;;
	esac
	if [[ $cc == clang-14 ]]; then
		flags+=(-Wno-c2x-extensions -Wno-for-loop-analysis)
	fi
	if [[ $USER_SOURCES == *-unhooked ]]; then flags+=(-DUNHOOKED=1); fi
	"$cc" -Wall -Wno-unused-function "${flags[@]}" -g -std=gnu11 \
		-fwrapv -fno-strict-aliasing -I "$2" -I "$USER_BUILD/include" \
		-I "$USER_TEST" -o "$3" "$USER_TEST/test.c" -lpthread
}
