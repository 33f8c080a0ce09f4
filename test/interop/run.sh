#!/bin/sh
# Tries the whole agent with what others made: Modbus servers, and brokers, also one too large for the ordinary tests (RabbitMQ brings Erlang along). What is needed is
# fetched from Debian. Arguments are those of the test runner: `npm run test:interop -- rabbitmq`.
set -eu

cd "$(dirname "$0")/../.."
sh test/support/debian.sh rabbitmq-server
exec sh bin/with-node vitest run --config test/interop/vitest.config.ts "$@"
