#!/bin/sh
# Runs the tests, or those that the arguments name, on the pinned Node, once what they need from Debian is there. `npm test` is this.
set -eu

cd "$(dirname "$0")/../.."
sh test/support/debian.sh
exec sh bin/with-node vitest run "$@"
