#!/usr/bin/env bash
# Starts PgBouncer in transaction mode in front of the compose file's PostgreSQL; passwords come from secret files.
set -euo pipefail

directory="$(mktemp -d)"
umask 077
for role in custody_app custody_system; do
    printf '"%s" "%s"\n' "$role" "$(<"/run/secrets/${role}_password")"
done >"$directory/users.txt"
cat >"$directory/pgbouncer.ini" <<CONF
[databases]
custody = host=postgres port=5432 dbname=custody

[pgbouncer]
listen_addr = 0.0.0.0
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $directory/users.txt
pool_mode = transaction
max_prepared_statements = 500
default_pool_size = 20
max_client_conn = 500
server_connect_timeout = 5
query_wait_timeout = 10
ignore_startup_parameters = extra_float_digits
CONF
exec pgbouncer "$directory/pgbouncer.ini"
