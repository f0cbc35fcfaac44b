# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # not all variables are used here
#
# Kernels with the KUnit suite: the variants, and how kunit.py of the tree builds and
# boots them. test, matrix and coverage source this after common.sh.
#
# A variant is a set of fragments of driver/config/kunit/, a machine, and the Debian
# packages for both.

# kunit.py must not leave its byte code in the source tree.
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

# ---------------------------------------------------------------- variants

# pc QEMU MEMORY [ARGUMENT...]: a PC under qemu-system-QEMU
pc() {
	qemu=$1
	machine=(-accel "$(accel)" -smp "$CPUS" "${@:3}")
	memory=${MEM:-$2}
	packages+=(qemu-system-x86)
	# objtool, which only x86_64 kernels run, needs libelf.
	if [[ $1 == i386 ]]; then
		arch=(--arch i386)
	else
		arch=(--arch x86_64)
		packages+=(libelf-dev)
	fi
}

# foreign ARCH QEMU MEMORY CROSS EMULATOR [ARGUMENT...]: another machine, with the
# compiler CROSS-gcc and the package EMULATOR
foreign() {
	qemu=$2
	memory=$3
	arch=(--arch "$1" --cross_compile "$4-")
	if [[ -f $DRIVER/config/kunit/$1.py ]]; then
		arch+=(--qemu_config "$DRIVER/config/kunit/$1.py")
	fi
	packages+=("gcc-$4" "$5")
	machine=("${@:6}")
}

# on_NAME: how the variant NAME differs from the defaults in variant_settings().
# load_settings() and "make help" take the list of variants from these lines.
on_4g() {
	# Jiffies pass 2^31 while the suites of the pool run, see highmem_jiffies_kunit.c.
	boot_args=(highmem_jiffies=sign:45)
	pc i386 2G
}
on_pae() {
	boot_args=(highmem_jiffies=wrap:45)
	pc i386 "$(pae_memory)" -cpu "$PAE_CPU"
}
on_up() { pc i386 2G; }
on_nopreempt() { pc i386 2G; }
on_rt() { pc i386 2G; }
on_debug() {
	names=(4g debug) patience=900
	pc i386 2G
}
on_races() { pc i386 2G; }
on_traced() {
	# Probes at tracepoints map pages from boot on.
	boot_args=(highmem_traced) patience=900
	pc i386 2G
}
on_nohighmem() { pc i386 2G; }
on_x86_64() { pc x86_64 1G; }
on_forcemap() { pc x86_64 1G; }
on_kasan() {
	names=(forcemap kasan) patience=900
	pc x86_64 2G
}
on_kcsan() {
	names=(forcemap kcsan) patience=900
	pc x86_64 2G
}
on_arm() {
	foreign arm arm "${MEM:-2G}" arm-linux-gnueabihf qemu-system-arm \
		-cpu cortex-a15 -smp "$CPUS"
}
on_mips() { foreign mips mipsel 1G mipsel-linux-gnu qemu-system-mips; }
on_xpa() {
	foreign mips mipsel 1G mipsel-linux-gnu qemu-system-mips -cpu P5600
}
on_powerpc() { foreign powerpc ppc 1G powerpc-linux-gnu qemu-system-ppc; }
on_sparc() {
	foreign sparc sparc 512M sparc64-linux-gnu qemu-system-sparc
	# Linux 6.12.117 does not build for sparc: a compile-time assertion outside high
	# memory fails. Without __OPTIMIZE__ the compiler leaves it out.
	make_options=(CFLAGS_fcntl.o=-U__OPTIMIZE__)
}
on_arc() {
	# Debian has no emulator for arc.
	boots=0
	foreign arc '' '' arc-linux-gnu gcc
}

# variant_settings VARIANT: sets the packages, the arguments of kunit.py and the kernel
variant_settings() {
	local machine memory names=("$1") name
	packages=("${BUILD_PACKAGES[@]}")
	make_options=()
	boot_args=()
	boots=1
	patience=300
	"on_$1"
	qemu_args="${machine[*]} -m $memory"
	fragments=()
	for name in common "${names[@]}"; do
		add_fragment "$DRIVER/config/kunit/$name.kunitconfig"
	done
	if [[ $DEBUG == 1 || $1 == debug ]]; then
		add_fragment "$DRIVER/config/debug.config"
	fi
}

# add_fragment FILE: for kunit.py, as this base has it
add_fragment() {
	# shellcheck disable=SC2154 # load_settings() sets suffix
	local to=$BUILD/.kunitconfig$suffix/${1##*/}
	mkdir -p "${to%/*}"
	# Rows of make matrix do this at the same time.
	for_base "$1" >"$to.$$"
	mv "$to.$$" "$to"
	fragments+=(--kunitconfig "$to")
}

# qemu_folder: our QEMUs for PATH, see driver/guest/qemu-kunit
qemu_folder() {
	local cpu
	mkdir -p "$BUILD/.qemu-kunit"
	for cpu in i386 x86_64 arm mipsel ppc sparc; do
		ln -sf "$DRIVER/guest/qemu-kunit" "$BUILD/.qemu-kunit/qemu-system-$cpu"
	done
	echo "$BUILD/.qemu-kunit"
}

# kunit_command COMMAND...: kunit.py of the tree on this variant's build folder
kunit_command() {
	local replays=0
	[[ $BASE == 6.12 ]] || replays=1
	command=(env PATH="$(qemu_folder):$PATH" REPLAYS="$replays"
		python3 "$sources/tools/testing/kunit/kunit.py" "$1" "${arch[@]}"
		"${fragments[@]}" --build_dir "$dir" "${@:2}")
}

# ---------------------------------------------------------------- steps

# not_to_be_had LOG: the options that kunit.py calls missing, without those that are off
# and that .config need not name
not_to_be_had() {
	local line
	sed -n 's/^Missing: //p' "$1" | sed 's/, /\n/g' | while read -r line; do
		if [[ $line =~ ^'# '(.*)' is not set'$ ]] &&
			! grep -q "^${BASH_REMATCH[1]}=" "$dir/.config"; then
			continue
		fi
		echo "   not to be had: $line"
	done
}

# build VARIANT: configures and compiles; takes some seconds if there is no change
build() {
	local log=$LOGS/${dir##*/}-build.log
	lock_builds
	need_space 600 "building the $1 kernel"
	note "$1: building ${dir#"$ROOT"/}"
	: >"$log"
	kunit_command config
	run_logged configuring "$log" '' "${command[@]}" || {
		not_to_be_had "$log"
		die "the $1 configuration does not fit this kernel; see $log"
	}
	if ((boots)); then
		kunit_command build --jobs "$JOBS" \
			"${make_options[@]/#/--make_options=}"
	else
		# kunit.py wants compile_commands.json as well, and 6.12 cannot
		# make that where, as on arc, libgcc is linked to the kernel.
		kernel_command "$sources" "$dir" "${arch[1]}" "${arch[3]}" vmlinux
	fi
	# A guest of make matrix runs at the same time and must not wait for this.
	command=(nice -n 5 "${command[@]}")
	touch "$dir/.started"
	run_logged compiling "$log" "count_objects $dir" "${command[@]}" || {
		grep -m 5 -E 'error:|undefined reference|\*\*\*' "$log" |
			sed 's/^/   /'
		die "the $1 kernel does not build; see $log"
	}
	unlock_builds
}

# boot OUT LIMIT CASES LABEL [ARGUMENT...]: one run of the kernel. The output of kunit.py
# goes to OUT, the kernel's log to a file beside it.
boot() {
	: >"$1"
	rm -f "$dir/test.log"
	kunit_command exec --timeout "$2" --qemu_args "$qemu_args" \
		"${boot_args[@]/#/--kernel_args=}" "${@:5}" ${3:+"$3"}
	run_logged "$4" "$1" "count_cases $1" "${command[@]}" || true
	cp "$dir/test.log" "${1%.out}.log" 2>/dev/null || : >"${1%.out}.log"
}

# run_suite VARIANT [ARGUMENT...]: runs all cases in one boot; the log must be clean. Sets
# p, f and s, the numbers of passed, failed and skipped cases, and trouble, which is empty
# if there is no fault.
run_suite() {
	local out=$LOGS/${dir##*/}.out log=$LOGS/${dir##*/}.log
	local start=$SECONDS errors limit=${TIMEOUT:-$patience}
	trouble=''
	note "$1: running the suite (gives up after $limit s)"
	boot "$out" "$limit" "$FILTER" running "${@:2}"
	"$DRIVER/report/kunit-report" "$out" >"$out.sum"
	read -r p f s errors <"$out.sum"
	if grep -q 'timed out after' "$out"; then
		trouble="the kernel hung or needs more than $limit s"
		f=$((f > 0 ? f : 1))
	elif ((p + f + s == 0)); then
		trouble="no case ran${FILTER:+; does FILTER=$FILTER match one?}"
	elif ((f > 0)); then
		trouble="$f cases failed"
	elif ((p == 0)) && [[ -z $FILTER ]]; then
		trouble="all cases were skipped"
	elif ((errors > 0)); then
		trouble="kunit.py could not read all of the output"
	fi
	sed '1d; s/^/   /' "$out.sum"
	if ! "$DRIVER/report/check-log" "$log"; then
		trouble+="${trouble:+; }the kernel log has a report"
	fi
	printf '   %s: %d passed, %d failed, %d skipped in %d s\n' \
		"$1" "$p" "$f" "$s" $((SECONDS - start))
	if [[ -n $trouble ]]; then
		printf '   %s: %s; see %s\n' "$1" "$trouble" "$log"
	fi
}
