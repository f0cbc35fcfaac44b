# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Kernel sources that this machine's Debian does not have: the package
# linux-source-$BASE of trixie-backports or sid, the newer of both, from the mirror that
# apt uses here, signed by Debian's key. apt has a state of its own below
# build/apt-source, and the state of the machine does not change. The package stays in
# build/sources, and apt looks once a day for a newer one.

SUITES=(trixie-backports sid)
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# mirror: the address of the archive, not of the security archive, which lacks the suites
mirror() {
	# shellcheck disable=SC2016 # apt's own fields
	apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 2>/dev/null |
		awk '$1 == "Debian/Debian" { print $2; exit }'
}

# source_apt PROGRAM ARGUMENT...: apt-get or apt-cache with that state
source_apt() {
	local d=$BUILD/apt-source program=$1
	shift
	command=("$program" -o "Dir::State=$d/state" -o "Dir::Cache=$d/cache"
		-o "Dir::State::status=$d/status" -o "Dir::Etc::SourceList=$d/sources.list"
		-o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
		-o Debug::NoLocking=1 "$@")
}

# newest_source: the newest package in build/sources, if any
newest_source() {
	find "$BUILD/sources" -name "linux-source-${BASE}_*_all.deb" 2>/dev/null |
		sort -V | tail -n 1
}

# update_lists: what the archive has now
update_lists() {
	local d=$BUILD/apt-source log=$LOGS/source.log suite uri
	uri=$(mirror)
	[[ $uri ]] || die "apt has no source of Debian's archive;" \
		"put one into /etc/apt/sources.list"
	[[ -r $KEYRING ]] || die "$KEYRING is missing;" \
		"apt-get install debian-archive-keyring"
	mkdir -p "$d"/{state/lists/partial,cache/archives/partial}
	: >"$d/status"
	for suite in "${SUITES[@]}"; do
		echo "deb [signed-by=$KEYRING] $uri $suite main"
	done >"$d/sources.list"
	: >"$log"
	source_apt apt-get update
	run_logged 'apt-get update' "$log" '' "${command[@]}"
}

# ask_archive: fetch the newest package
ask_archive() {
	local d=$BUILD/apt-source log=$LOGS/source.log version
	update_lists || return 1
	source_apt apt-cache madison "linux-source-$BASE"
	version=$("${command[@]}" 2>>"$log" | awk '{ print $3 }' | sort -V | tail -n 1)
	if [[ -z $version ]]; then
		source_apt apt-cache search --names-only '^linux-source-[0-9.]+$'
		die "Debian has no linux-source-$BASE in ${SUITES[*]} any more;" \
			"there is $("${command[@]}" 2>>"$log" |
				awk '{ printf "%s%s", s, $1; s = ", " }')"
	fi
	if [[ ! -f $BUILD/sources/linux-source-${BASE}_${version}_all.deb ]]; then
		need_space 300 "the package of a kernel source"
		source_apt apt-get download "linux-source-$BASE=$version"
		run_logged "fetching linux-source-$BASE $version" "$log" '' \
			env -C "$d/cache" "${command[@]}" || return 1
		mv "$d"/cache/*.deb "$BUILD/sources/"
	fi
	touch "$BUILD/sources/.asked-$BASE"
}

# fetch_source: $source and $id, for find_source()
# shellcheck disable=SC2034
fetch_source() {
	local asked=$BUILD/sources/.asked-$BASE
	mkdir -p "$BUILD/sources"
	source=$(newest_source)
	if [[ -z $source || -z $(find "$asked" -mtime -1 2>/dev/null) ]]; then
		if ask_archive; then
			source=$(newest_source)
		elif [[ $source ]]; then
			note "Debian's archive does not answer; going on with ${source##*/}"
		else
			die "linux-source-$BASE cannot be had; is there a network to" \
				"Debian's archive? see $LOGS/source.log"
		fi
	fi
	id="debian ${source##*/}"
}
