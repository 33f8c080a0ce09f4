#!/bin/sh
# Becomes the systemd of a machine within the machine, in namespaces of its own (unshare): $1 is a scratch folder with the units to know, $2 the project. /etc and
# /usr are covered by overlays, everything else that systemd writes by memory. With a project it is installed at /usr/lib/lintel, as the package would do it; without, the
# package is there to be installed.
set -eu
scratch=$1 project=${2:-}

mount --make-rprivate /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t cgroup2 none /sys/fs/cgroup

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd /run/test /run/over/etc /run/over/usr /run/over/work-etc /run/over/work-usr
mount --bind "$scratch" /run/test
mount -t overlay -o "lowerdir=/etc,upperdir=/run/over/etc,workdir=/run/over/work-etc" overlay /etc
mount -t overlay -o "lowerdir=/usr,upperdir=/run/over/usr,workdir=/run/over/work-usr" overlay /usr
# Before /tmp is covered: the project may lie there.
if [ -n "$project" ]; then
  mkdir -p /usr/lib/lintel
  mount --bind "$project" /usr/lib/lintel
fi
for folder in /tmp /var/tmp /var/lib; do mount -t tmpfs tmpfs "$folder"; done

if [ -n "$project" ]; then
  systemd-sysusers /usr/lib/lintel/systemd/sysusers.d/lintel.conf
  systemd-tmpfiles --create /usr/lib/lintel/systemd/tmpfiles.d/lintel.conf
fi

mount --make-rshared / # as on any machine with systemd: credentials reach the services by it
units=/run/test/units
[ -n "$project" ] || units=$units:/etc/systemd/system:/usr/lib/systemd/system
export container=test SYSTEMD_UNIT_PATH=$units
exec /lib/systemd/systemd --system --unit=nothing.target --log-target=null
