# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are for driver/fuzz and driver/mutants
#
# The programs of tools/testing/highmem

USER_BUILD=$BUILD/user
USER_PACKAGES=(gcc libc6-dev clang-14 libclang-rt-14-dev libfuzzer-14-dev)

# user_command TREE DIR ARGUMENT...: make the programs of TREE in DIR
user_command() {
	command=(make -C "$2" -f "$1/tools/testing/highmem/Makefile"
		--no-print-directory CLANG=clang-14 "${@:3}")
}
