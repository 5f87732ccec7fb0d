#!/usr/bin/env bash
# Starts an embedded PostgreSQL of its own and plays the money day on a fresh database: demo.sh EXECUTABLE [ARGUMENT…]
# INT and TERM are passed on; the database stops after the demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

custody="$1"
shift
trap 'scripts/postgres.sh --name demo stop' EXIT
scripts/postgres.sh --name demo destroy
scripts/postgres.sh --name demo start >&2
scripts/postgres.sh --name demo psql --no-psqlrc --quiet --command 'CREATE DATABASE custody' postgres
CUSTODY_DATABASE_URL="$(scripts/postgres.sh --name demo url custody)"
export CUSTODY_DATABASE_URL

# In the background, since bash runs no trap while it waits for a foreground command; in a process group of its own
# (set -m), so that one Ctrl-C reaches the demo once, from us.
set -m
"$custody" demo "$@" </dev/null &
demo=$!
trap 'kill -INT "$demo" 2>/dev/null || true' INT
trap 'kill -TERM "$demo" 2>/dev/null || true' TERM HUP
status=0
while kill -0 "$demo" 2>/dev/null; do
    status=0
    wait "$demo" || status=$?
done
exit "$status"
