# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Unpacks a kernel source and puts the files of this repository into it. For driver/tree
# and driver/releases. They set $PRISTINE, the folder of the source as it was published,
# and $scratch, a folder of their own.

# Folders of this repository whose files replace or join those of the kernel.
OVERLAY=(Documentation arch block drivers fs include kernel lib mm net scripts tools)
TREE_MB=1800

# ---------------------------------------------------------------- the source

# release FOLDER: VERSION.PATCHLEVEL.SUBLEVEL of a kernel source
release() {
	awk '$2 == "=" && $1 == "VERSION"    { v = $3 }
	     $2 == "=" && $1 == "PATCHLEVEL" { p = $3 }
	     $2 == "=" && $1 == "SUBLEVEL"   { print v "." p "." $3; exit }' \
		"$1/Makefile" 2>/dev/null || true
}

check_release() {
	local r
	r=$(release "$1")
	[[ -n $r && -d $1/mm && -f $1/Kconfig ]] ||
		die "$2 holds no kernel source; name a $BASE tree or tarball"
	if [[ $r != "$BASE".* && $FORCE != 1 ]]; then
		die "$2 is Linux $r and BASE=$BASE;" \
			"name a $BASE source, or try with FORCE=1"
	fi
}

# find_source: sets $source, and $id, a line that changes when the source changes
find_source() {
	if [[ -z $KSRC && $BASE != 6.12 ]]; then
		fetch_source
	elif [[ -z $KSRC ]]; then
		source=/usr/src/linux-source-6.12.tar.xz
		[[ -r $source ]] ||
			die "$source is missing; apt-get install --reinstall" \
				"linux-source-6.12"
		id="debian $(dpkg-query -W -f='${Version}' linux-source-6.12)"
	else
		source=$(realpath -e "$KSRC" 2>/dev/null) ||
			die "KSRC=$KSRC does not exist; name a folder or tarball"
		[[ -r $source ]] || die "KSRC=$KSRC cannot be read"
		id="ksrc $source"
	fi
	if [[ -d $source ]]; then
		check_release "$source" "KSRC=$KSRC"
		case $BUILD/ in
		"$source"/*) die "KSRC=$KSRC holds this repository;" \
			"name a kernel tree outside it" ;;
		esac
		id+=" $(cd "$source" && find . -name .git -prune -o -type f \
			-printf '%p %s %T@\n' | sort | md5sum | cut -c1-32)"
	else
		id+=" $(stat -c '%s %Y' "$source")"
	fi
}

copy_folder() {
	tar -C "$1" --exclude=./.git -cf - . |
		tar -C "$2" --no-same-owner -xf - || return 1
	# The build out of tree refuses a source that has files of a build in tree.
	if [[ -e $2/.config || -e $2/include/config ]] ||
		compgen -G "$2/arch/*/include/generated" >/dev/null; then
		make -C "$2" ARCH=x86 mrproper &&
			rm -rf "$2"/arch/*/include/generated
	fi
}
export -f copy_folder

# unpack_package PACKAGE TO: the tarball in a package linux-source-*
unpack_package() {
	set -o pipefail
	dpkg-deb --fsys-tarfile "$1" |
		tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -C "$2" --strip-components=1 --no-same-owner -xJf -
}
export -f unpack_package

# unpack_source TO: $source into the new folder TO
unpack_source() {
	local log=$LOGS/unpack.log
	need_space $((TREE_MB + 200)) "unpacking the kernel source"
	mkdir "$1"
	note "unpacking $source (20 s or more)"
	if [[ -d $source ]]; then
		run_logged copying "$log" '' \
			bash -c 'copy_folder "$@"' - "$source" "$1"
	elif [[ $source == *.deb ]]; then
		run_logged unpacking "$log" '' \
			bash -c 'unpack_package "$@"' - "$source" "$1"
	else
		run_logged unpacking "$log" '' tar -C "$1" \
			--strip-components=1 --no-same-owner -xf "$source"
	fi || {
		# The next run fetches a damaged package of build/ again.
		if [[ $source == "$BUILD"/*.deb ]]; then rm -f "$source"; fi
		die "cannot unpack $source; see $log and run again"
	}
	check_release "$1" "$source"
}

# ---------------------------------------------------------------- our files

overlay_files() {
	local dirs=() d
	if is_ours "$1"; then
		dirs=("${OVERLAY[@]}")
	else
		dirs=(lib/tests)
	fi
	for d in "${dirs[@]}" "${dirs[@]/#/base/$BASE/}"; do
		[[ ! -d $ROOT/$d ]] || (cd "$ROOT" && find "$d" -type f \
			! -name '*~' ! -name '*.orig' ! -name '*.rej' \
			\( ! -name '.*' -o -name .gitignore \))
	done | sort
}

# fix_patches: the fixes of this base, in the order of fixes/order
fix_patches() {
	local name
	while read -r name; do
		[[ ! -f $ROOT/fixes/$BASE/$name.patch ]] || echo "$ROOT/fixes/$BASE/$name.patch"
	done < <(grep -v '^#' "$ROOT/fixes/order")
}

# patched PATCH...: the files that they change
patched() { sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$@"; }

# shared_fixes: the fixes that build/linux takes as hunks: those of files that this
# repository neither replaces nor has a hunk for
shared_fixes() {
	local patch
	while read -r patch; do
		patched "$patch" | grep -qxFf <(overlay_files ours | sed "s|^base/$BASE/||"
			patched "$ROOT"/{,"base/$BASE/"}hunks/*.patch) || echo "$patch"
	done < <(fix_patches)
}

# stage KIND: fills the folder $stage with the files in which the tree of that KIND
# differs from the pristine source. Sets $hunks to its patches.
stage() {
	local kind=$1 f to hunk
	# shellcheck disable=SC2154 # see above
	stage=$scratch/stage
	mkdir -p "$stage/mm"
	while read -r f; do
		to=$stage/${f#"base/$BASE/"}
		mkdir -p "${to%/*}"
		cp "$ROOT/$f" "$to"
	done < <(overlay_files "$kind")
	if [[ -f $ROOT/Kconfig ]]; then
		cp "$ROOT/Kconfig" "$stage/mm/Kconfig.highmem"
	fi
	mapfile -t hunks < <(patches_of "$kind")
	for hunk in "${hunks[@]}"; do
		stage_hunk "$hunk"
	done
}

# patches_of KIND: the patches for the tree of that KIND
patches_of() {
	local name dir
	for dir in "$ROOT/hunks" "$ROOT/base/$BASE/hunks"; do
		for name in "$dir"/*.patch; do
			case $1/${name##*/} in
			unhooked/sched-*) ;;
			ours/* | unhooked/* | */test-*) [[ ! -f $name ]] || echo "$name" ;;
			esac
		done
	done
	case $1 in
	ours) shared_fixes ;;
	fixes) fix_patches ;;
	unhooked) shared_fixes; echo "$ROOT/series/unhooked.patch" ;;
	esac
}

# misfit FILE: the first hunk that does not fit exactly one place of its file in the
# stage. patch(1) would take the nearest of several places.
misfit() {
	awk -v stage="$stage" '
	function judge(   at, k, places) {
		if (!wanted) return
		for (at = 0; at + wanted <= lines; at++) {
			for (k = 1; k <= wanted; k++)
				if (text[at + k] != want[k]) break
			if (k > wanted) places++
		}
		wanted = 0
		if (places == 1) return
		printf "hunk %d (line %d) fits %s of %s\n", hunk, start,
			places ? places " places" : "no place", file
		exit
	}
	/^--- a\// { judge(); next }
	/^\+\+\+ b\// {
		file = substr($2, 3)
		hunk = lines = 0
		while ((getline line <(stage "/" file)) > 0) text[++lines] = line
		next
	}
	/^@@ /  { judge(); hunk++; start = NR; next }
	/^[ -]/ { want[++wanted] = substr($0, 2) }
	END     { judge() }' "$1"
}

# stage_hunk FILE: copies the files that it patches into the stage and patches them there.
# Hunks of one base, and those of series/, change our own files, too.
stage_hunk() {
	local hunk=$1 name=${1#"$ROOT/"} f bad log=$LOGS/hunks.log
	while read -r f; do
		[[ $name != hunks/* ]] || ! is_ours "$kind" ||
			[[ ! -f $ROOT/$f && ! -f $ROOT/base/$BASE/$f ]] ||
			die "$name patches $f, which this repository replaces;" \
				"move the change into $ROOT/$f"
		if [[ -f $PRISTINE/$f && ! -e $stage/$f ]]; then
			mkdir -p "$stage/$(dirname "$f")"
			cp -p "$PRISTINE/$f" "$stage/$f"
		fi
	done < <(patched "$hunk")
	bad=$(misfit "$hunk")
	[[ -z $bad ]] || die "$name: $bad in Linux $(release "$PRISTINE");" \
		"adapt the hunk"
	patch -p1 -F0 -f --no-backup-if-mismatch -d "$stage" -i "$hunk" \
		>"$log" 2>&1 ||
		die "$name does not apply to Linux $(release "$PRISTINE");" \
			"adapt the hunk, see $log"
}
