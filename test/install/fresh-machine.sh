#!/bin/sh
# The two commands of the README on a machine that has nothing but Debian 12 and its npm: no compiler, no make, no Node that would do. Builds such a machine in a folder,
# enters it, and does there what the README says.
#
#   fresh-machine.sh [9|10|11 [COMMAND]]    with this version of npm (default 9, Debian's own); COMMAND instead of the usual checks, e.g. 'npm test'
#
# Takes root, a kernel that lets root mount, and mmdebstrap, which is installed when it is missing; where one of them is not to be had it says so and fails. What was
# fetched is kept in ~/.cache/lintel-test for the next time, outside the project; the registry and its certificates are those of this machine's own npm.
set -eu

npm_wanted=${1:-9}
command=${2:-}
suite=bookworm
most_minutes=15
[ -z "$command" ] || most_minutes=90
here=$(cd "$(dirname "$0")" && pwd -P)
project=$(cd "$here/../.." && pwd -P)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lintel-test

main() {
  [ "$(id -u)" = 0 ] || fail 'it takes root. Remedy: sudo sh test/install/fresh-machine.sh'
  command -v mmdebstrap >/dev/null || install_mmdebstrap
  unshare --mount --pid --fork true 2>/dev/null || fail 'the kernel lets nobody mount here (a container that may not?)'
  mkdir -p "$cache/npm"
  [ -s "$cache/$suite.tar" ] || build_debian
  root=$(mktemp -d)
  trap 'rm -rf --one-file-system "$root"' EXIT
  trap 'exit 1' INT TERM HUP
  tar -xf "$cache/$suite.tar" -C "$root"
  bring_project
  bring_npm_settings
  echo "== a fresh Debian 12, with npm $npm_wanted"
  # Mounts belong to this namespace and are gone with it, and so is every process that was started inside.
  timeout --foreground $((most_minutes * 60)) unshare --mount --propagation private --pid --fork --kill-child \
    sh "$here/enter.sh" "$root" "$cache/npm" "$npm_wanted" "$command" || fail "npm $npm_wanted: see above"
}

fail() {
  echo "fresh machine: $1" >&2
  exit 1
}

install_mmdebstrap() {
  install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
      -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 mmdebstrap >&2
  }
  install || { apt-get update --quiet >&2 && install; } || fail 'mmdebstrap could not be installed from Debian'
}

# Debian with its own nodejs and npm, and nothing that they merely recommend.
build_debian() {
  echo "== building a fresh Debian 12 (once; kept in $cache)"
  # A mirror that this machine is pointed to serves here as well.
  mirror=$(sed -n 's/^\(URIs: \|deb \(\[[^]]*\] \)\?\)\(http[^ ]*\/debian\/\?\)\( .*\)\?$/\3/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
  mmdebstrap --quiet --variant=apt --include=ca-certificates,nodejs,npm --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    "$suite" "$cache/$suite.tar.part" "${mirror:-http://deb.debian.org/debian}" || fail 'Debian could not be fetched'
  mv "$cache/$suite.tar.part" "$cache/$suite.tar"
}

# What a clone would hold, and what is not committed yet.
bring_project() {
  mkdir -p "$root/home/guest/lintel"
  if git -C "$project" rev-parse --git-dir >/dev/null 2>&1; then
    (cd "$project" && git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null) >"$root/files"
  else
    (cd "$project" && find . -name node_modules -prune -o -type f -print) >"$root/files"
  fi
  tar -C "$project" -c --no-recursion -T "$root/files" | tar -C "$root/home/guest/lintel" -x
}

# The registry, its credentials and certificates: only ever copied into the folder that is removed again.
bring_npm_settings() {
  umask 077
  for setting in globalconfig userconfig; do
    file=$(cd / && npm config get "$setting" 2>/dev/null || true)
    [ ! -f "$file" ] || { cat "$file" && echo; } >>"$root/root/.npmrc"
  done
  umask 022
  for file in /etc/ssl/certs/ca-certificates.crt "$(cd / && npm config get cafile 2>/dev/null || true)" "${NODE_EXTRA_CA_CERTS:-}"; do
    [ -f "$file" ] || continue
    mkdir -p "$root$(dirname "$file")"
    cp -L "$file" "$root$file"
  done
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
}

main
