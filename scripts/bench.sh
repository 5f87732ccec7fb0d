#!/usr/bin/env bash
# Runs benchmarks in a release build on an embedded PostgreSQL of their own: bench.sh [NAME…] (default: all).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

trap 'scripts/postgres.sh --name bench stop' EXIT
swift build --configuration release --product custody
scripts/postgres.sh --name bench destroy
scripts/postgres.sh --name bench start >&2
(($#)) || set -- orders jobs statements
for name in "$@"; do
    if [[ "$name" == jobs && ! -x .local/venv-bench/bin/python ]]; then
        python3 -m venv .local/venv-bench
        .local/venv-bench/bin/pip install --quiet --requirement bench/requirements.txt
    fi
    scripts/postgres.sh --name bench psql --no-psqlrc --quiet postgres \
        --command "DROP DATABASE IF EXISTS bench_$name" --command "CREATE DATABASE bench_$name"
    CUSTODY_DATABASE_URL="$(scripts/postgres.sh --name bench url "bench_$name")" .build/release/custody bench "$name" --json
done
