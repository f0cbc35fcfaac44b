# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# fetch() of common.sh gives $command.
# shellcheck disable=SC2154
#
# A Debian i386 userland as a disk image, for guests in which programs of Debian
# run. Each target that uses it sources this file after common.sh.
#
#   make_userland NAME PACKAGE...   build/userland-NAME.img, made once
#   make_work_disk IMAGE FOLDER     a disk with the script that the guest runs
#   $USERLAND_WORDS                 for the kernel's command line
#
# The guest has the userland as /dev/vda and the work disk as /dev/vdb, both
# read-only, and starts FOLDER/init as /work/init; see guest/userland.
#
# The packages are unpacked and not configured, so that no i386 program runs on
# this machine. debootstrap configures them: it must be root, make device nodes, change
# its root and mount /proc, and the host's kernel must run i386 programs. Containers
# often allow none of this. userland_finish() does what programs need of the packages'
# own scripts.

# The packages of every guest
USERLAND_BASE=(base-files base-passwd bash coreutils dash findutils grep mawk
	mount procps sed util-linux)
# shellcheck disable=SC2034
USERLAND_PACKAGES=(e2fsprogs)
# shellcheck disable=SC2034
USERLAND_WORDS='root=/dev/vda ro rootfstype=ext4 init=/sbin/init'

# userland_unpack FOLDER LOG PACKAGE...: the packages and what they depend on
userland_unpack() {
	local root=$1 log=$2 name=${1##*.} deb dir
	local debs=(-o "Dir::Cache::archives=$BUILD/apt/$name")
	shift 2
	lock 6 .apt.lock
	begin_fetch
	mkdir -p "$BUILD/apt/$name/partial"
	fetch update
	# If the lists are too old, the download below fails.
	run_logged 'apt-get update' "$log" '' "${command[@]}" || true
	# Packages of an interrupted run may have another version.
	fetch "${debs[@]}" autoclean
	run_logged 'apt-get autoclean' "$log" '' "${command[@]}" || true
	fetch "${debs[@]}" install -y --no-install-recommends --download-only "$@"
	run_logged 'apt-get download' "$log" '' "${command[@]}" ||
		die "the i386 packages of the userland cannot be had; is there" \
			"a network to Debian's packages? see $log"
	# Programs are in /usr, and these links point to them.
	mkdir -p "$root"/usr/{bin,sbin,lib}
	for dir in bin sbin lib; do ln -s "usr/$dir" "$root/$dir"; done
	for deb in "$BUILD/apt/$name"/*.deb; do
		progress "unpacking ${deb##*/}"
		# dpkg-deb -x would put folders in place of the links.
		dpkg-deb --fsys-tarfile "$deb" 2>>"$log" | tar -x -C "$root" \
			--keep-directory-symlink --no-same-owner -p >>"$log" 2>&1 ||
			die "the package ${deb##*/} cannot be unpacked; see $log"
		dpkg-deb -W "$deb" >>"$root/etc/packages"
	done
	clear_line
	rm -rf "$BUILD/apt"
	unlock 6
}

# userland_finish FOLDER: the set-up that the packages' own scripts would do
userland_finish() {
	local etc=$1/etc
	cp "$1/usr/share/base-passwd/passwd.master" "$etc/passwd"
	cp "$1/usr/share/base-passwd/group.master" "$etc/group"
	ln -s mawk "$1/usr/bin/awk"
	echo '127.0.0.1 localhost' >"$etc/hosts"
	ln -sf /proc/self/mounts "$etc/mtab"
	mkdir -p "$1"/{dev,proc,sys,run,tmp,work,mnt}
	rm -rf "$1"/usr/share/{doc,man,locale,info}
	rm -f "$1/usr/sbin/init"
	cp "$DRIVER/guest/userland" "$1/usr/sbin/init"
}

# folder_to_image FOLDER IMAGE SPARE-MB LOG: an ext4 of the folder's size and some
folder_to_image() {
	local mb
	mb=$(du -sm "$1" | cut -f1)
	rm -f "$2"
	# Its files belong to root, also if an ordinary user makes it. A read-only disk
	# needs no journal.
	run_logged mke2fs "$4" '' mke2fs -q -F -t ext4 -O ^has_journal \
		-E root_owner=0:0 -N $((mb * 80 + 1000)) -m 0 -d "$1" "$2" \
		"$((mb + mb / 4 + $3))M" ||
		die "mke2fs cannot make $2; see $4"
}

# make_userland NAME PACKAGE...: made anew when the packages or this file change
make_userland() {
	local name=$1 image=$BUILD/userland-$1.img stamp log new
	shift
	log=$LOGS/userland-$name.log
	stamp="$* $(cat "$DRIVER/lib/userland.sh" "$DRIVER/guest/userland" |
		md5sum | cut -c1-32)"
	lock 5 ".userland-$name.lock"
	if [[ -f $image && $(cat "$image.of" 2>/dev/null) == "$stamp" ]]; then
		unlock 5
		return
	fi
	need_space 1500 "Debian's i386 userland"
	note "making ${image#"$ROOT"/} of Debian's i386 packages"
	new=$BUILD/.userland-$name
	rm -rf "$new" "$image.of"
	: >"$log"
	userland_unpack "$new" "$log" "${USERLAND_BASE[@]}" "$@"
	userland_finish "$new"
	folder_to_image "$new" "$image.new" 20 "$log"
	mv "$image.new" "$image"
	cp "$new/etc/packages" "$image.packages"
	# Written last: an image without it is incomplete.
	echo "$stamp" >"$image.of"
	rm -rf "$new"
	unlock 5
}

# make_work_disk IMAGE FOLDER: FOLDER as the guest's /work
make_work_disk() {
	[[ -x $2/init ]] || die "$2/init is missing or not executable"
	folder_to_image "$2" "$1" 4 "$LOGS/${1##*/}.log"
}

# userland_disks NAME WORK-IMAGE: both as arguments for QEMU, in $disks
userland_disks() {
	# shellcheck disable=SC2034 # the caller uses it
	disks=(-drive
		"file=$BUILD/userland-$1.img,if=virtio,format=raw,readonly=on"
		-drive "file=$2,if=virtio,format=raw,readonly=on")
}
