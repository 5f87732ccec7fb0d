#!/usr/bin/env bash
# An embedded PostgreSQL of this checkout, in .local/pg/NAME: its own data, port and socket, never the system's cluster.
#
#   scripts/postgres.sh [--name NAME] start|stop|restart|status|env|url DATABASE|psql [ARGUMENT…]|dump [ARGUMENT…]|destroy
#
# NAME separates instances (default: dev). As root the server runs as the user `postgres`; where that user cannot reach
# the checkout, the cluster lives in a temporary directory whose path .local/pg/NAME/location records.
# CUSTODY_PG_BINDIR chooses other PostgreSQL programs than those of the newest installed version from 15.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset "${!PG@}"
export LC_ALL=C.UTF-8

usage() {
    sed -n '2,8p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'
}

fail() {
    echo "postgres.sh: $*" >&2
    exit 1
}

name=dev
if [[ "${1:-}" == --name ]]; then
    name="${2:-}"
    shift 2 || fail "--name needs a name"
fi
[[ "$name" =~ ^[a-z][a-z0-9_-]{0,30}$ ]] || fail "a name is lower-case letters, digits, - and _: '$name'"
command="${1:-}"
shift || true

home="$PWD/.local/pg/$name"  # What we remember of the instance; the cluster too, where the server can reach it.

# MARK: Who runs the server, and where

owner="$(id -un)"
if ((EUID == 0)); then
    owner=postgres
    id "$owner" >/dev/null 2>&1 || fail "as root the server runs as the user 'postgres', which does not exist: make setup"
fi

# Runs a program as the server's user, outside the checkout, without our lock.
as_owner() {
    if ((EUID == 0)); then
        (cd / && exec setpriv --reuid "$owner" --regid "$(id -g "$owner")" --init-groups "$@" 9>&-)
    else
        (cd / && exec "$@" 9>&-)
    fi
}

find_programs() {
    local directory
    if [[ -n "${CUSTODY_PG_BINDIR:-}" ]]; then
        programs="$CUSTODY_PG_BINDIR"
    else
        programs=
        while read -r directory; do
            [[ "$directory" =~ /([0-9]+)/bin$ ]] && ((BASH_REMATCH[1] >= 15)) && programs="$directory"
        done < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V)
    fi
    [[ -x "$programs/postgres" && -x "$programs/initdb" ]] || fail "PostgreSQL 15 or later is not installed: make setup"
}

# Sets `base`, the directory of the cluster, if one was chosen before.
find_base() {
    base=
    if [[ -d "$home/cluster" ]]; then
        base="$home/cluster"
    elif [[ -f "$home/location" ]]; then
        base="$(<"$home/location")"
        # Not ours if the temporary directory was cleaned away, or this checkout is a copy of the one that made it.
        [[ "$(cat "$base/checkout" 2>/dev/null)" == "$PWD" ]] || base=
    fi
    data="$base/data"
}

# Chooses a directory that the server's user can reach and write.
choose_base() {
    find_base
    [[ -n "$base" ]] && return 0
    base="$home/cluster"
    mkdir -p "$base"
    ((EUID == 0)) && chown "$owner:" "$base"
    # A socket's path may have 107 bytes at most.
    if ((${#base} > 85)) || ! as_owner test -w "$base"; then
        rmdir "$base"
        base="$(as_owner mktemp -d "/tmp/custody-pg-$name.XXXXXXXX")"
        as_owner tee "$base/checkout" >/dev/null <<<"$PWD"
        printf '%s\n' "$base" >"$home/location"
    fi
    as_owner chmod 0700 "$base"
    data="$base/data"
}

# MARK: Is it alive

# Prints the pid of every process that runs in the data directory: postmaster and backends, orphans included.
server_processes() {
    local inode
    inode="$(stat -c %d:%i "$data" 2>/dev/null)" || return 0
    { stat -L -c '%d:%i %n' /proc/[0-9]*/cwd 2>/dev/null || true; } |
        awk -v inode="$inode" '$1 == inode { gsub(/[^0-9]/, "", $2); print $2 }'
}

# The postmaster's pid, when it lives and serves this data directory. A pid file alone proves nothing: the number
# may be a zombie's or, after a restart of the machine, a stranger's.
postmaster() {
    local pid
    [[ -n "$base" ]] && pid="$(head -n 1 "$data/postmaster.pid" 2>/dev/null)" || return 1
    server_processes | grep -Fx -- "$pid"
}

# Sees to it that a postmaster that is gone has left no backend behind, then takes its pid file away. Idle backends
# notice its death and leave by themselves; one deep in a query has to be told.
clear_stale() {
    local began=$SECONDS orphans
    while orphans="$(server_processes)" && [[ -n "$orphans" ]]; do
        ((SECONDS - began < 30)) || fail "processes of a dead server are still in $data: ${orphans//$'\n'/ }"
        # shellcheck disable=SC2086 # one word per pid
        if ((SECONDS - began >= 10)); then
            kill -KILL $orphans 2>/dev/null || true
        elif ((SECONDS - began >= 2)); then
            kill -QUIT $orphans 2>/dev/null || true
        fi
        sleep 0.1
    done
    rm -f "$data/postmaster.pid" "$base"/run/.s.PGSQL.*
}

accepts() {
    "$programs/pg_isready" -q -h "$base/run" -p "$(<"$base/port")"
}

# MARK: Making and starting it

free_port() {
    /usr/bin/python3 -c '
import socket
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print(listener.getsockname()[1])'
}

make_cluster() {
    [[ -f "$data/PG_VERSION" ]] && return 0
    rm -rf "$data" "$base/new"
    (
        umask 077
        head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$base/password"
    )
    ((EUID == 0)) && chown "$owner:" "$base/password"
    as_owner "$programs/initdb" --pgdata "$base/new" --username postgres --pwfile "$base/password" --encoding UTF8 \
        --locale C.UTF-8 --auth-local trust --auth-host scram-sha-256 --no-instructions >"$home/initdb.log" 2>&1 ||
        { cat "$home/initdb.log" >&2 && fail "initdb failed"; }
    as_owner tee -a "$base/new/postgresql.conf" >/dev/null <<<"include = 'custody.conf'"
    # Last, so that a cluster whose making broke off is made again.
    as_owner mv "$base/new" "$data"
}

configure() {
    local library="${programs%/bin}/lib/pg_stat_statements.so" preload=
    [[ -f "$library" ]] && preload=pg_stat_statements
    as_owner mkdir -p -m 0700 "$base/run"
    as_owner tee "$data/custody.conf" >/dev/null <<CONF
# Written by scripts/postgres.sh at every start.
listen_addresses = '127.0.0.1'
port = $1
unix_socket_directories = '${base//\'/\'\'}/run'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
fsync = on
synchronous_commit = on
full_page_writes = on
shared_preload_libraries = '$preload'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
CONF
    as_owner tee "$base/port" >/dev/null <<<"$1"
}

# Waits for a server that lives but is not open yet: starting, or recovering after a crash.
await_open() {
    local deadline=$((SECONDS + 120))
    until accepts; do
        postmaster >/dev/null || fail "the server died while starting; its log: $base/log"
        ((SECONDS < deadline)) || fail "the server does not open; its log: $base/log"
        sleep 0.05
    done
}

start() {
    find_programs
    choose_base
    if postmaster >/dev/null; then
        await_open
        return 0
    fi
    if [[ -d "$data" && "$(stat -c %U "$data")" != "$owner" ]]; then
        fail "the cluster belongs to $(stat -c %U "$data"), and you would run it as $owner: make clean as its owner"
    fi
    make_cluster
    clear_stale
    local port attempt
    port="$(cat "$base/port" 2>/dev/null || free_port)"
    for attempt in 1 2 3 4 5; do
        configure "$port"
        as_owner rm -f "$base/log.start"
        if as_owner "$programs/pg_ctl" start --pgdata "$data" --log "$base/log" --wait --timeout 120 --silent \
            </dev/null >"$home/pg_ctl.log" 2>&1; then
            return 0
        fi
        tail -n 20 "$base/log" | grep -q 'could not bind' || break
        echo "postgres.sh: port $port is taken (attempt $attempt)" >&2
        clear_stale
        port="$(free_port)"
    done
    tail -n 20 "$home/pg_ctl.log" "$base/log" >&2 || true
    fail "the server did not start"
}

stop() {
    find_base
    [[ -n "$base" ]] || return 0
    find_programs
    if postmaster >/dev/null; then
        as_owner "$programs/pg_ctl" stop --pgdata "$data" --mode fast --wait --timeout 30 --silent >/dev/null 2>&1 ||
            as_owner "$programs/pg_ctl" stop --pgdata "$data" --mode immediate --wait --timeout 30 --silent
    fi
    clear_stale
}

destroy() {
    stop
    [[ -n "$base" ]] && rm -rf "$base"
    rm -rf "$home/cluster" "$home/location" "$home"/*.log
}

# MARK: Telling others

need_running() {
    find_programs
    find_base
    postmaster >/dev/null || fail "the instance '$name' is not running: scripts/postgres.sh --name $name start"
}

status() {
    find_base
    local pid
    if [[ -n "$base" ]] && pid="$(postmaster)"; then
        echo "$name: running, pid $pid, port $(<"$base/port"), socket $base/run, data $data"
    else
        echo "$name: stopped"
        return 3
    fi
}

percent_encoded() {
    /usr/bin/python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe="/"))' "$1"
}

print_env() {
    need_running
    printf 'export CUSTODY_TEST_PGHOST=%q\n' "$base/run"
    printf 'export CUSTODY_TEST_PGPORT=%q\n' "$(<"$base/port")"
    printf 'export CUSTODY_TEST_PGUSER=postgres\n'
    printf 'export CUSTODY_TEST_PGBIN=%q\n' "$programs"
    # Needed on 127.0.0.1 only; the socket trusts whoever can reach it.
    printf 'export CUSTODY_TEST_PGPASSWORD=%q\n' "$(<"$base/password")"
}

print_url() {
    [[ -n "${1:-}" ]] || fail "url needs the name of a database"
    need_running
    echo "postgresql:///$(percent_encoded "$1")?host=$(percent_encoded "$base/run")&port=$(<"$base/port")&user=postgres"
}

locked() {
    mkdir -p "$home"
    exec 9>"$home/lock"
    flock --timeout 180 9 || fail "another postgres.sh works on the instance '$name'"
    "$@"
}

case "$command" in
    # Not chained by &&, which would make bash ignore `set -e` inside.
    start)
        locked start
        status
        ;;
    stop) locked stop ;;
    restart)
        locked stop
        locked start
        status
        ;;
    destroy) locked destroy ;;
    status) status ;;
    env) print_env ;;
    url) print_url "$@" ;;
    psql)
        need_running
        exec "$programs/psql" -h "$base/run" -p "$(<"$base/port")" -U postgres "$@"
        ;;
    dump)
        need_running
        exec "$programs/pg_dump" -h "$base/run" -p "$(<"$base/port")" -U postgres "$@"
        ;;
    -h | --help | help) usage ;;
    *) usage >&2 && exit 2 ;;
esac
