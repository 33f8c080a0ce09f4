#!/bin/sh
# Inside the namespaces of fresh-machine.sh: mounts what a running system has, and becomes the fresh machine.
set -eu
root=$1 npm_cache=$2 npm_wanted=$3 command=$4

mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/var/cache/npm"
mount --bind "$npm_cache" "$root/var/cache/npm"

# Nothing of this machine's environment but the ways to the network.
exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 CI=1 \
  ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
  ${HTTP_PROXY:+HTTP_PROXY="$HTTP_PROXY"} ${HTTPS_PROXY:+HTTPS_PROXY="$HTTPS_PROXY"} ${NO_PROXY:+NO_PROXY="$NO_PROXY"} \
  ${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS"} \
  npm_config_cache=/var/cache/npm npm_config_prefer_offline=true npm_config_update_notifier=false \
  chroot "$root" sh /home/guest/lintel/test/install/inside.sh "$npm_wanted" "$command"
