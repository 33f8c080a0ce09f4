#!/bin/sh
# Becomes the systemd of a machine within the machine, in namespaces of its own (unshare): $1 is a scratch folder with the units to know, $2 the project. /etc and
# /usr/lib are covered by overlays, everything else that systemd writes by memory; the project is installed at /usr/lib/lintel, as the package would do it.
set -eu
scratch=$1 project=$2

mount --make-rprivate /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t cgroup2 none /sys/fs/cgroup

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd /run/test /run/over/etc /run/over/lib /run/over/work-etc /run/over/work-lib
mount --bind "$scratch" /run/test
mount -t overlay -o "lowerdir=/etc,upperdir=/run/over/etc,workdir=/run/over/work-etc" overlay /etc
mount -t overlay -o "lowerdir=/usr/lib,upperdir=/run/over/lib,workdir=/run/over/work-lib" overlay /usr/lib
mkdir -p /usr/lib/lintel
mount --bind "$project" /usr/lib/lintel
for folder in /tmp /var/tmp /var/lib; do mount -t tmpfs tmpfs "$folder"; done

systemd-sysusers /usr/lib/lintel/systemd/sysusers.d/lintel.conf
systemd-tmpfiles --create /usr/lib/lintel/systemd/tmpfiles.d/lintel.conf

mount --make-rshared / # as on any machine with systemd: credentials reach the services by it
export container=test SYSTEMD_UNIT_PATH=/run/test/units
exec /lib/systemd/systemd --system --unit=nothing.target --log-target=null
