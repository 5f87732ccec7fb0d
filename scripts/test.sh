#!/usr/bin/env bash
# `make test`: every check and every test, from a fresh clone, without a terminal, as root or not.
# Nothing is skipped: what cannot run has failed. The last line is `N passed, N failed` over all suites.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

results=.local/test
postgres=(scripts/postgres.sh --name test)
passed=0
failed=0

title() {
    printf '\n== %s\n' "$*"
}

# Runs a command as one check among the results.
check() {
    local name="$1"
    shift
    title "$name"
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name"
    fi
}

# Adds what a suite reported. A suite that ended badly without naming a failed test, or ran none, is one failure.
add() {
    local name="$1" status="$2" suite_passed="$3" suite_failed="$4"
    if ((suite_failed == 0 && (status != 0 || suite_passed == 0))); then
        suite_failed=1
    fi
    passed=$((passed + suite_passed))
    failed=$((failed + suite_failed))
    echo "$name: $suite_passed passed, $suite_failed failed"
}

finish() {
    local status=$?
    trap - EXIT
    "${postgres[@]}" stop || failed=$((failed + 1))
    ((status == 0)) || failed=$((failed + 1))
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0)) || exit 1
}

# MARK: The suites

# One target after the other, a few tests at a time: they start servers, kill them, and hold deadlines, which a machine
# with everything at once on it would miss.
swift_tests() {
    local target status counts
    for target in Tests/*Tests; do
        target="$(basename "$target")"
        title "swift test: $target"
        status=0
        rm -f "$results/$target"*.xml
        swift test --disable-xctest --skip-build --experimental-maximum-parallelization-width 4 \
            --filter "^$target\\." --xunit-output "$results/$target.xml" >"$results/$target.log" 2>&1 || status=$?
        grep -E '^(✘|↳)|Test run with|error:' "$results/$target.log" || true
        counts="$(/usr/bin/python3 scripts/count_tests.py xunit "$results/$target"*.xml)"
        # shellcheck disable=SC2086 # two numbers
        add "$target" "$status" $counts
    done
}

pgtap_tests() {
    title "pgTAP"
    local status=0 counts
    pg_prove --host "$CUSTODY_TEST_PGHOST" --port "$CUSTODY_TEST_PGPORT" --username "$CUSTODY_TEST_PGUSER" \
        --dbname custody_check --merge sql/tests/*.sql >"$results/pgtap.log" 2>&1 || status=$?
    cat "$results/pgtap.log"
    counts="$(/usr/bin/python3 scripts/count_tests.py tap "$results/pgtap.log")"
    # shellcheck disable=SC2086 # two numbers
    add "pgTAP" "$status" $counts
}

fresh_database() {
    "${postgres[@]}" psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 postgres \
        --command 'DROP DATABASE IF EXISTS custody_check' --command 'CREATE DATABASE custody_check'
}

migrate() {
    .build/debug/custody migrate up --database-url "$database_url"
}

# Everything in the database, as text; without the key that pg_dump draws at random for every dump.
dump() {
    "${postgres[@]}" dump custody_check | grep -v '^\\\(un\)\?restrict '
}

# Chained, since bash ignores `set -e` in what `check` runs.
migrate_again() {
    dump >"$results/migrated.sql" &&
        grep -q 'CREATE TABLE' "$results/migrated.sql" &&
        migrate &&
        dump >"$results/migrated-again.sql" &&
        diff -u "$results/migrated.sql" "$results/migrated-again.sql"
}

# What people run: it shows errors that a debug build does not, and the end-to-end tests run it.
build_release() {
    swift build --configuration release --product custody &&
        export CUSTODY_TEST_EXECUTABLE="$PWD/.build/release/custody"
}

# MARK: In order

mkdir -p "$results"
exec 8>"$results/lock"
flock --nonblock 8 || {
    echo "Another make test runs in this checkout" >&2
    exit 1
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

title "setup"
scripts/setup.sh peers
for name in swift shell compose; do check "lint: $name" scripts/lint.sh "$name"; done
check "lint: migrations" .local/venv/bin/squawk sql/migrations/*.sql

check "swift build: release" build_release
title "swift build"
swift build --build-tests
passed=$((passed + 1))

title "PostgreSQL"
"${postgres[@]}" destroy 8>&-
"${postgres[@]}" start 8>&-
settings="$("${postgres[@]}" env)"
eval "$settings"
database_url="$("${postgres[@]}" url custody_check)"

swift_tests
fresh_database
check "migrate" migrate
check "migrate again changes nothing" migrate_again
pgtap_tests
