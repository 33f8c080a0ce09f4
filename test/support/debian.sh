#!/bin/sh
# Sees to it that the Debian packages the tests speak to are here: real brokers, real pseudo terminals, the far ends of other makers, and systemd's own checkers.
# Installs what is missing when run by root, as on a build machine; otherwise names exactly what to install and fails. Quick when nothing is missing. Further packages may
# be named as arguments.
set -eu

packages='
  mosquitto mosquitto-clients nats-server
  socat mbpoll libmodbus-dev
  python3-pymodbus python3-serial python3-serial-asyncio
  gcc libc6-dev pkg-config strace
  systemd udev
  zsh fish groff-base age openssl
'
packages="$packages $*"

command -v dpkg-query >/dev/null || {
  echo "The tests need a Debian machine with these packages:" $packages >&2
  exit 1
}

missing=''
for package in $packages; do
  state=$(dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  case $state in
    ii*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "The tests need Debian packages that are not installed. Remedy:" >&2
  echo "  sudo apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

echo "Installing what the tests need from Debian:$missing" >&2
install() {
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 $missing >&2
}
# What is installed for the tests serves nobody: they start their own, on loopback.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
# The package lists of a fresh machine are missing or too old: fetch them only when the first try says so.
install || { apt-get update --quiet >&2 && install; } || {
  echo "Could not install them. Remedy, by hand:" >&2
  echo "  apt-get update && apt-get install --no-install-recommends$missing" >&2
  exit 1
}
