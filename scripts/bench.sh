#!/usr/bin/env bash
# Runs benchmarks in a release build on an embedded PostgreSQL of their own: bench.sh [NAME…] (default: all).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The queues that `bench jobs` is measured against.
install_peers() {
    local venv=.local/venv-bench
    cmp -s bench/requirements.txt "$venv/requirements.txt" && return 0
    rm -rf "$venv"
    mkdir -p .local
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt
    # Last, so that an installation that broke off is done again.
    cp bench/requirements.txt "$venv/requirements.txt"
}

# However this ends, nothing goes on: a benchmark ends its own processes, even when it is killed.
running=
finish() {
    if [[ -n "$running" ]]; then
        kill "$running" 2>/dev/null || true
        wait "$running" || true
    fi
    scripts/postgres.sh --name bench stop
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

swift build --configuration release --product custody
scripts/postgres.sh --name bench destroy
scripts/postgres.sh --name bench start >&2
(($#)) || set -- orders callbacks storm jobs statements
failed=0
for name in "$@"; do
    if [[ "$name" == jobs ]]; then install_peers; fi
    scripts/postgres.sh --name bench psql --no-psqlrc --quiet postgres \
        --command "DROP DATABASE IF EXISTS bench_$name" --command "CREATE DATABASE bench_$name"
    CUSTODY_DATABASE_URL="$(scripts/postgres.sh --name bench url "bench_$name")" \
        .build/release/custody bench "$name" --json &
    running=$!
    # In the background, because a shell that waits for a command in the foreground hears no signal.
    wait "$running" || failed=1
    running=
done
((failed == 0))
