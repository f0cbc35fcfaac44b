# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What all scripts of the driver share: messages, settings, packages, disk
# space, locks, and running a long command with its output in a log.

set -eEuo pipefail
export LC_ALL=C
# The kernel's Makefile drops LC_ALL, and warnings are searched for in English.
export LANG=C
unset LANGUAGE LC_CTYPE LC_MESSAGES
# An ordinary user may lack these, and mkfs.jfs lives there.
export PATH=$PATH:/usr/sbin:/sbin

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Not all variables are used here: other scripts source this file.
# shellcheck disable=SC2034
DRIVER=$ROOT/driver
BUILD=$ROOT/build
LOGS=$BUILD/log
# shellcheck disable=SC2034
JOBS=$(nproc)

# Files whose warnings are our business, as a compiler names them.
OUR_FILES='mm/(highmem|highmem_debug|pkmap|kmap_local|folio_map)\.[ch]'
OUR_FILES+='|linux/highmem(-internal)?\.h|mm/highmem_32\.c|asm/highmem\.h'
# shellcheck disable=SC2034
OUR_FILES+='|tests/highmem_[a-z_]*\.[ch]'

# ---------------------------------------------------------------- messages

note() { printf '== %s\n' "$*"; }

# die WORD...: the last line of every failure: what happened, what to do, where the log is
die() {
	clear_line
	# A script may read this in its EXIT trap.
	# shellcheck disable=SC2034
	failure=$*
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# progress WORD...: a line that the next one overwrites. Prints only to a terminal.
progress() {
	if [[ -t 1 ]]; then printf '\r\033[K   %s' "$*"; fi
}

clear_line() {
	if [[ -t 1 ]]; then printf '\r\033[K'; fi
}

# A command that fails and is not checked for is reported, too.
trap 'clear_line; echo "error: $0, line $LINENO: $BASH_COMMAND" >&2' ERR

# The scripts have settings, but no options.
case ${1:-} in
-h | --help)
	"$DRIVER/help"
	exit
	;;
-*) die "${0##*/} has no option $1; see make help" ;;
esac

# ---------------------------------------------------------------- settings

# The kernels for the suite: the functions on_NAME of variants.sh, in their order.
VARIANTS=$(sed -n 's/^on_\(.*\)() {.*/\1/p' "$DRIVER/lib/variants.sh" | paste -sd' ')

# allow NAME DEFAULT REGEX WORDS: give NAME its default, refuse other values.
# The variable then leaves the environment: a kernel Makefile reads it too.
allow() {
	local name=$1 value=${!1:-$2}
	[[ $value =~ ^($3)$ ]] ||
		die "$name=$value is not known; allowed: $4"
	printf -v "$name" '%s' "$value"
	declare -g +x "$name"
}

load_settings() {
	# The kernel's own make would read these.
	unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL GNUMAKEFLAGS MAKEFILES
	unset ARCH CROSS_COMPILE KCFLAGS KCPPFLAGS KAFLAGS KBUILD_OUTPUT O W V C
	unset CC LD LLVM KCONFIG_CONFIG KCONFIG_ALLCONFIG LOCALVERSION

	allow PAE 0 '0|1' '0 1'
	allow DEBUG 0 '0|1' '0 1'
	allow SHORT 0 '0|1' '0 1'
	allow FORCE 0 '0|1' '0 1'
	allow RECORD 0 '0|1' '0 1'
	allow CPUS 2 '[1-8]' '1 to 8'
	allow MINUTES 10 '[1-9][0-9]{0,3}' '1 to 9999'
	allow MEM '' '|[1-9][0-9]*[MG]' 'a size such as 2G or 1792M'
	allow TREE ours 'ours|unhooked|pristine|fixes' 'ours unhooked pristine fixes'
	allow BASE 6.12 '6\.12|7\.3' '6.12 7.3'
	allow TIMEOUT '' '|[1-9][0-9]*' 'a number of seconds'
	allow FILTER '' '[][A-Za-z0-9_.*?-]*' 'a glob such as highmem*.kmap_*'
	local one="${VARIANTS// /|}|all"
	allow VARIANT '' "|($one)([ ,]($one))*" "$VARIANTS all"
	KSRC=${KSRC:-}
	declare -g +x KSRC
	# The sources of this base: ours, and with -pristine, -baseline, -fixes, -unhooked
	suffix=
	if [[ $BASE != 6.12 ]]; then suffix=-$BASE; fi
	LINUX=$BUILD/linux$suffix
}

# ---------------------------------------------------------------- the machine

installed() {
	dpkg-query -W -f='${db:Status-Abbrev}\n' "$1" 2>/dev/null |
		grep -q '^ii'
}

# need_packages NAME...: installs missing packages as root; as a user, names them
need_packages() {
	local p missing=()
	[[ -x $(command -v dpkg-query) && -x $(command -v apt-get) ]] ||
		die "this driver needs Debian or a derivative (no apt-get here)"
	for p; do
		installed "$p" || missing+=("$p")
	done
	if ((${#missing[@]} == 0)); then return; fi
	if ((EUID != 0)); then
		die "packages are missing; as root: apt-get install" \
			"--no-install-recommends ${missing[*]}"
	fi
	note "installing ${missing[*]}"
	# If the lists are too old, the install below fails.
	run_logged 'apt-get update' "$LOGS/apt.log" '' \
		env DEBIAN_FRONTEND=noninteractive apt-get update || true
	run_logged 'apt-get install' "$LOGS/apt.log" '' \
		env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "${missing[@]}" ||
		die "apt-get cannot install ${missing[*]};" \
			"see $LOGS/apt.log, put it right and run again"
}

# The packages for a kernel build with the machine's own compiler. gcc only recommends
# libc6-dev. Only x86_64 kernels need libelf-dev, for objtool.
# shellcheck disable=SC2034
BUILD_PACKAGES=(gcc libc6-dev make flex bison bc python3)

# tree_packages: the packages of driver/tree. A target asks for these and its own at once.
# The source of a base that this Debian does not have is fetched, see archive.sh.
tree_packages() {
	echo patch xz-utils
	[[ -n $KSRC || $BASE != 6.12 ]] || echo linux-source-6.12
}

# for_base FILE...: these configurations, with the options as this base names them
for_base() {
	local program=$ROOT/base/$BASE/config.sed
	[[ -f $program ]] || program=/dev/null
	sed -f "$program" "$@"
}

# is_ours TREE: true for a tree with our code
is_ours() { [[ $1 == ours || $1 == unhooked ]]; }

# make_tree ours|unhooked|pristine|fixes
make_tree() {
	KSRC=$KSRC FORCE=$FORCE BASE=$BASE "$DRIVER/tree" "$1" || exit 1
}

# need_space MEGABYTES WHAT: refuses to begin WHAT if the disk has less free
need_space() {
	local free
	free=$(df -Pm "$BUILD" | awk 'NR == 2 { print $4 }')
	((free >= $1)) ||
		die "$2 needs $1 MB in $BUILD and $free MB are free;" \
			"make room (or make clean) and run again"
}

host_memory_mb() { awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }

# mem_mb SIZE: 2G and 1792M in megabytes
mem_mb() {
	case $1 in
	*G) echo $((${1%G} * 1024)) ;;
	*M) echo "${1%M}" ;;
	esac
}

# KVM needs more than its device file: without vmx or svm QEMU hangs.
accel() {
	if grep -qwE 'vmx|svm' /proc/cpuinfo && [[ -r /dev/kvm && -w /dev/kvm ]]
	then
		echo kvm
	else
		echo tcg,thread=multi
	fi
}

# PAE guests have memory above 4 GB, if this machine has enough. QEMU's default CPU has
# 32 address bits, and a PTE above them faults. It has no NX either, which ioremap()
# sets and CONFIG_DEBUG_VM reports.
# shellcheck disable=SC2034
PAE_CPU=qemu32,+pse36,+nx
pae_memory() {
	if (($(host_memory_mb) > 6500)); then echo 5G; else echo 2G; fi
}

need_command() {
	command -v "$1" >/dev/null ||
		die "$1 is not in PATH; install $2 or put it there, then run again"
}

# ---------------------------------------------------------------- locks

# lock FD NAME: hold build/NAME until unlock or the end of the script.
lock() {
	eval "exec $1>>\"\$BUILD/$2\""
	if flock -n "$1"; then return; fi
	note "another run holds $BUILD/$2; waiting for it"
	flock "$1"
}

unlock() { eval "exec $1>&-"; }

# One kernel build or change of a tree at a time: two builds are not faster, and a tree
# must not change during a build.
lock_builds() { lock 8 .kernel-build.lock; }
unlock_builds() { unlock 8; }

# ---------------------------------------------------------------- commands

child=
# kill_child: kills the process group of run_logged or of a boot
kill_child() {
	if [[ -n $child ]]; then
		kill -- "-$child" 2>/dev/null || true
		wait "$child" 2>/dev/null || true
		child=
	fi
}
trap kill_child EXIT
trap 'clear_line; printf "interrupted\n" >&2; exit 130' INT TERM HUP

# run_logged LABEL LOG COUNTER COMMAND...: runs COMMAND and appends its output to LOG.
# Meanwhile it shows the seconds and the output of COUNTER, a command or empty.
run_logged() {
	local label=$1 log=$2 counter=$3 start=$SECONDS said=0 now rc=0
	shift 3
	mkdir -p "${log%/*}"
	printf '\n$ %s\n' "$*" >>"$log"
	setsid "$@" >>"$log" 2>&1 </dev/null 5>&- 6>&- 7>&- 8>&- 9>&- &
	child=$!
	while kill -0 "$child" 2>/dev/null; do
		sleep 0.5
		now=$((SECONDS - start))
		if [[ -t 1 ]]; then
			progress "$label: $now s$($counter)"
		elif ((now - said >= 60)); then
			printf '   %s: %d s%s\n' "$label" "$now" "$($counter)"
			said=$now
		fi
	done
	wait "$child" || rc=$?
	child=
	clear_line
	return $rc
}

# Counters for run_logged. count_objects DIR: since DIR/.started was touched
count_objects() {
	printf ', %d files compiled' \
		"$(find "$1" -name '*.o' -newer "$1/.started" 2>/dev/null |
			wc -l)"
}
count_cases() {
	printf ', %d cases' \
		"$(grep -cE '^\[[0-9:]*\] \[(PASSED|FAILED|SKIPPED|CRASHED)\]' \
			"$1" 2>/dev/null)"
}

if ! mkdir -p "$LOGS" 2>/dev/null || [[ ! -w $BUILD || ! -w $LOGS ]]; then
	die "cannot write to $BUILD; run as the owner of $ROOT"
fi

# ---------------------------------------------------------------- kernels

# kernel_command TREE DIR ARCH CROSS ARGUMENT...: the kernel's make, out of tree
kernel_command() {
	command=(make -C "$1" O="$2" ARCH="$3" ${4:+CROSS_COMPILE="$4"}
		--no-print-directory -j "$JOBS" "${@:5}")
}

# configure TREE DIR ARCH CROSS LOG FRAGMENT...: a kernel with nothing but what
# the fragments name, or with what $base_config gives and they do not turn off. The
# configuration is made anew only when they change.
configure() {
	local tree=$1 dir=$2 arch=$3 cross=$4 log=$5 line target=olddefconfig
	mkdir -p "$dir"
	for_base "${@:6}" >"$dir/.fragments.new"
	if ! cmp -s "$dir/.fragments.new" "$dir/.fragments"; then
		target=${base_config:-allnoconfig}
	fi
	# After an interruption the next run begins with allnoconfig.
	rm -f "$dir/.fragments"
	kernel_command "$tree" "$dir" "$arch" "$cross" \
		KCONFIG_ALLCONFIG="$dir/.fragments.new" "$target"
	if [[ $target == olddefconfig ]]; then
		kernel_command "$tree" "$dir" "$arch" "$cross" "$target"
	fi
	run_logged configuring "$log" '' "${command[@]}" ||
		die "the kernel cannot be configured; see $log"
	while read -r line; do
		grep -qxF "$line" "$dir/.config" || die "$line is not to be" \
			"had in this kernel ($dir/.config)"
	done < <(grep '^CONFIG_' "$dir/.fragments.new")
	mv "$dir/.fragments.new" "$dir/.fragments"
}

# compile TREE DIR ARCH CROSS LOG TARGET...
compile() {
	local log=$5
	kernel_command "$1" "$2" "$3" "$4" "${@:6}"
	touch "$2/.started"
	run_logged compiling "$log" "count_objects $2" "${command[@]}" && return
	grep -m 5 -E 'error:|ERROR:|undefined reference|\*\*\*' "$log" | sed 's/^/   /'
	die "the kernel in $2 does not build; see $log"
}

# ---------------------------------------------------------------- guests

# The i386 guests of make run and make soak. TREE, PAE, DEBUG, MEM and CPUS are
# set by load_settings.

# guest_folder KIND: where such a guest's kernel is built
guest_folder() {
	local name=4g
	if [[ $PAE == 1 ]]; then name=pae; fi
	if [[ $DEBUG == 1 ]]; then name+=-debug; fi
	# shellcheck disable=SC2153
	echo "$BUILD/$1$suffix-$TREE-$name"
}

# build_guest_kernel DIR FRAGMENT...
build_guest_kernel() {
	local sources=$LINUX log=$LOGS/${1##*/}-build.log highmem=4G
	local fragments=("${@:2}" "$1/.highmem.config")
	case $TREE in
	pristine) sources=$LINUX-baseline ;;
	fixes | unhooked) sources=$LINUX-$TREE ;;
	esac
	lock_builds
	need_space 600 "building the kernel"
	note "building ${1#"$ROOT"/}"
	: >"$log"
	mkdir -p "$1"
	if [[ $PAE == 1 ]]; then highmem=64G; fi
	echo "CONFIG_HIGHMEM$highmem=y" >"$1/.highmem.config"
	if [[ $DEBUG == 1 ]]; then fragments+=("$DRIVER/config/debug.config"); fi
	configure "$sources" "$1" i386 '' "$log" "${fragments[@]}"
	compile "$sources" "$1" i386 '' "$log" bzImage
	unlock_builds
}

check_memory() {
	(($(host_memory_mb) > $(mem_mb "$MEM") + 300)) ||
		die "MEM=$MEM is more than this machine has free" \
			"($(host_memory_mb) MB); use a smaller MEM"
}

# The page tables of programs lie in high memory (HIGHPTE). qemu-system-i386 hangs with a
# page table above 4 GB; qemu-system-x86_64 runs the same kernel.
guest_qemu() {
	if [[ $PAE == 1 ]]; then
		echo qemu-system-x86_64
	else
		echo qemu-system-i386
	fi
}

# follow REPORT LIMIT: shows the guest's report as it grows; returns 1 after LIMIT seconds
follow() {
	local start=$SECONDS shown=0 lines
	while kill -0 "$child" 2>/dev/null; do
		sleep 0.5
		lines=$(wc -l <"$1")
		if ((lines > shown)); then
			clear_line
			sed -n "$((shown + 1)),${lines}s/^/   /p" "$1"
			shown=$lines
		fi
		progress "$((SECONDS - start)) s"
		if ((SECONDS - start >= $2)); then return 1; fi
	done
	clear_line
	sed -n "$((shown + 1)),\$s/^/   /p" "$1"
}

# watch_guest REPORT CONSOLE LIMIT VERDICT: runs QEMU, which is $command. The first serial
# port is the kernel's log, which must be clean, and the second one the report, which is
# shown and must end with VERDICT.
watch_guest() {
	local report=$1 console=$2 limit=$3 wanted=$4 qlog=${2%/*}/qemu.log
	local rc=0 late=0 verdict
	: >"$report"
	: >"$console"
	setsid "${command[@]}" -serial "file:$console" -serial "file:$report" \
		>"$qlog" 2>&1 </dev/null 7>&- &
	child=$!
	follow "$report" "$limit" || late=1
	if ((late)); then
		kill_child
	else
		wait "$child" || rc=$?
		child=
	fi
	verdict=$(sed -n 's/^verdict: //p' "$report")
	"$DRIVER/report/check-log" "$console" ||
		die "the kernel log has a report; see $console"
	((late == 0)) ||
		die "no verdict after $limit s: the kernel hung, or TIMEOUT is" \
			"too short here; see $console"
	((rc == 0)) || [[ -s $console ]] ||
		die "QEMU does not start: $(head -n 1 "$qlog"); see $qlog"
	[[ -n $verdict ]] ||
		die "the guest stopped without a verdict; see $console"
	[[ $verdict == "$wanted" ]] ||
		die "the guest says ${verdict//$'\n'/, then }; see $report"
}

# ---------------------------------------------------------------- userland

# fetch ARGUMENT...: sets $command to apt-get for i386 with a state of its own. The state
# of the machine does not change, and it needs no root.
fetch() {
	local d=$BUILD/apt
	command=(apt-get -o "Dir::State=$d/state" -o "Dir::Cache=$d/cache"
		-o "Dir::State::status=$d/status"
		-o APT::Architecture=i386 -o APT::Architectures::=i386
		-o Debug::NoLocking=1 "$@")
}

# begin_fetch: makes the state for fetch(). Packages of an interrupted run stay.
begin_fetch() {
	mkdir -p "$BUILD"/apt/{state/lists/partial,cache/archives/partial,deb}
	: >"$BUILD/apt/status"
}

# get_busybox: fetches Debian's busybox-static for i386 to build/busybox-i386
get_busybox() {
	local d=$BUILD/apt log=$LOGS/busybox.log
	[[ ! -x $BUILD/busybox-i386 ]] || return 0
	lock 6 .apt.lock
	note "fetching busybox-static for i386"
	rm -rf "$d"
	begin_fetch
	: >"$log"
	fetch update
	run_logged 'apt-get update' "$log" '' "${command[@]}" || true
	fetch download busybox-static
	run_logged 'apt-get download' "$log" '' \
		env -C "$d/deb" "${command[@]}" ||
		die "busybox-static for i386 cannot be had; is there a" \
			"network to Debian's packages? see $log"
	dpkg-deb -x "$d"/deb/busybox-static_*_i386.deb "$d/root" >>"$log" 2>&1 ||
		die "the package busybox-static is damaged; see $log"
	cp "$d/root/bin/busybox" "$BUILD/.busybox-new"
	mv "$BUILD/.busybox-new" "$BUILD/busybox-i386"
	rm -rf "$d"
	unlock 6
}

# make_initramfs DIR INIT LINE...: writes DIR/initramfs with gen_init_cpio of the kernel
# built in DIR, which needs no root for device nodes. Each LINE is a line of its input.
make_initramfs() {
	"$1/usr/gen_init_cpio" - >"$1/initramfs.new" <<-EOF ||
		dir /dev 0755 0 0
		nod /dev/console 0600 0 0 c 5 1
		dir /proc 0755 0 0
		dir /sys 0755 0 0
		dir /bin 0755 0 0
		file /bin/busybox $BUILD/busybox-i386 0755 0 0
		slink /bin/sh busybox 0777 0 0
		file /init $2 0755 0 0
		$(printf '%s\n' "${@:3}")
	EOF
		die "cannot write $1/initramfs; is the disk full?"
	mv "$1/initramfs.new" "$1/initramfs"
}
