# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # name, arch, cross and dir are those of build_one()
#
# For make builds: each name that a module can use with the pristine kernel must compile
# and link in a module with our kernel, for each licence.
#
# tools/testing/highmem/module/callers.py lists the names in the headers and writes a
# module that uses all of them. The module is built with the pristine kernel first. A
# name that fails there is left out, and the module is built again. The remaining names
# are promised. The module with these names is built with our kernel in the same way.
# GPL modules can also use the new names of our <linux/highmem.h>.

CALLERS=$ROOT/tools/testing/highmem/module

# headers TREE: the headers whose names are tried
headers() {
	local srcarch=${arch/#i386/x86}
	srcarch=${srcarch/#x86_64/x86}
	echo "$1"/include/linux/{highmem,highmem-internal,io-mapping}.h \
		"$1/arch/$srcarch/include/asm/highmem.h"
}

# needs OBJECT NAME: the symbols of the kernel that use_NAME needs. The linker drops all
# other sections, and reports these symbols as undefined.
needs() {
	local emulation=()
	[[ $arch != i386 ]] || emulation=(-m elf_i386)
	{ "${cross}ld" "${emulation[@]}" --gc-sections -e "use_${2%()}" \
		-o "$1.linked" "$1" 2>&1 || true; } |
		sed -n "s/.* undefined reference[s]* to \`\(.*\)'.*/\1/p"
}

# unusable FOLDER: the names in the errors of the failed build in FOLDER
unusable() {
	local one
	if [[ ! -f $1/callers.o ]]; then
		sed -n 's/^\([A-Za-z0-9_()]*\):[0-9]*:[0-9]*: error: .*/\1/p' "$1/log" |
			sort -u
		return
	fi
	sed -n -e 's/^ERROR: modpost: "\(.*\)" \[.*\] undefined!$/\1/p' \
		-e "s/^ERROR: modpost: GPL-incom.* symbol '\(.*\)'$/\1/p" \
		"$1/log" | sort -u >"$1/symbols"
	while read -r one; do
		! needs "$1/callers.o" "$one" | grep -qxFf "$1/symbols" ||
			echo "$one"
	done <"$1/names"
}

# build_callers TREE DIR LICENCE FOLDER HEADER...: a module that uses FOLDER/names
build_callers() {
	rm -f "$4"/*.o "$4/log"
	cp "$CALLERS/Makefile" "$4"
	"$CALLERS/callers.py" write "$3" "${@:5}" <"$4/names" >"$4/callers.c" ||
		exit 1
	kernel_command "$1" "$2" "$arch" "$cross" W=1 M="$4" modules
	run_logged 'compiling a module' "$4/log" '' "${command[@]}"
}

# usable TREE DIR LICENCE FOLDER HEADER...: leave in FOLDER/names what a module can
# use, move the rest to FOLDER/absent (does not compile) and FOLDER/refused
usable() {
	local here=$4 to
	: >"$here/absent"
	: >"$here/refused"
	while ! build_callers "$@"; do
		to=absent
		[[ ! -f $here/callers.o ]] || to=refused
		unusable "$here" >"$here/bad"
		[[ -s $here/bad ]] || die "the module in $here does not" \
			"build, and no name is at fault; see $here/log"
		sort -o "$here/$to" "$here/$to" "$here/bad"
		comm -23 "$here/names" "$here/bad" >"$here/left"
		mv "$here/left" "$here/names"
	done
}

# say_names WHAT FILE...
say_names() {
	local names
	names=$(sort "${@:2}" | paste -sd' ' | fold -s -w 60)
	[[ -z $names ]] || sed "s/^/       /; 1s/^ */      $1 /" <<<"$names"
}

bad_names=0
declare -A tried there # names, and those that some configuration has

# promised LICENCE FOLDER: the names of $dir/names that modules can use with the pristine
# kernel. A name that is no function may be a macro that is called like one.
promised() {
	local args=("$LINUX-pristine" "$dir-pristine" "$1" "$2" "${declared[@]}")
	cp "$dir/names" "$2/names"
	if ! build_callers "${args[@]}" && [[ ! -f $2/callers.o ]]; then
		unusable "$2" >"$2/bad"
		{ comm -23 "$dir/names" "$2/bad"; sed 's/$/()/' "$2/bad"; } |
			sort >"$2/names"
	fi
	usable "${args[@]}"
	sed -i 's/()$//' "$2/absent"
}

# try_names LICENCE: all in $dir/names, with the pristine kernel and with ours
try_names() {
	local theirs=$dir-pristine/callers-$1 ours=$dir/callers-$1 verdict=ok one
	mkdir "$theirs" "$ours"
	promised "$1" "$theirs"
	cp "$theirs/names" "$ours/names"
	usable "$LINUX" "$dir" "$1" "$ours" "${declared[@]}"
	judge "$ours"
	printf '   %s: %d names, promised by mainline %d, linked with ours %d: %s\n' \
		"$1" "$(wc -l <"$dir/names")" "$(wc -l <"$theirs/names")" \
		"$(wc -l <"$ours/names")" "$verdict"
	say_names 'not there:' "$theirs/absent"
	say_names 'not for such modules:' "$theirs/refused"
	say_names 'not with ours:' "$ours/absent" "$ours/refused"
	while read -r one; do tried[$one]=1; done <"$dir/names"
	while read -r one; do there[$one]=1; done \
		< <(comm -23 "$dir/names" "$theirs/absent")
}

# documented HEADER: its functions with kernel-doc. All other functions are internal.
documented() { sed -n 's/^ \* \([a-z_0-9]*\)() - .*/\1/p' "$1" | sort -u; }

# try_new_names: the names that only our header has
try_new_names() {
	local ours=$dir/callers-new verdict=ok header=$LINUX/include/linux/highmem.h
	mkdir "$ours"
	"$CALLERS/callers.py" list "$header" >"$ours/declared" || exit 1
	comm -12 "$ours/declared" <(documented "$header") >"$ours/all"
	comm -23 "$ours/all" "$dir/names" >"$ours/names"
	usable "$LINUX" "$dir" GPL "$ours" "$header"
	judge "$ours"
	printf '   GPL: %d names more in ours, linked %d: %s\n' \
		"$(cat "$ours"/{names,absent,refused} | wc -l)" \
		"$(wc -l <"$ours/names")" "$verdict"
	say_names 'not linked:' "$ours/absent" "$ours/refused"
}

# judge FOLDER: no name may have failed there with our kernel
judge() {
	cat "$1/log" >>"$log"
	if [[ -s $1/absent || -s $1/refused ]]; then
		verdict=FAILED
		bad_names=1
	fi
}

call_from_modules() {
	local declared
	read -ra declared < <(headers "$LINUX-pristine")
	rm -rf "$dir"{,-pristine}/callers-*
	"$CALLERS/callers.py" list "${declared[@]}" >"$dir/names" || exit 1
	try_names GPL
	try_names Proprietary
	try_new_names
}

# check_callers: each name must exist in some configuration, or it is never tried.
check_callers() {
	local one nowhere=()
	for one in "${!tried[@]}"; do
		[[ -n ${there[$one]:-} ]] || nowhere+=("$one")
	done
	((${#nowhere[@]} == 0)) || die "no configuration has ${nowhere[*]};" \
		"add one to driver/config/builds, or put $CALLERS/callers.py right"
	((bad_names == 0)) || die "a module cannot use all that it can with" \
		"the pristine kernel; the names are above"
}
