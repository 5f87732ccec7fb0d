#!/usr/bin/env bash
# Runs once, when the compose file's PostgreSQL makes its cluster: the database, and the roles that log in. None is a
# superuser or may bypass row-level security; only the migrator may become the owner. Passwords come from secret files.
set -euo pipefail

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set migrator_password="$(</run/secrets/custody_migrator_password)" \
    --set app_password="$(</run/secrets/custody_app_password)" \
    --set system_password="$(</run/secrets/custody_system_password)" <<'SQL'
CREATE ROLE custody_owner NOLOGIN NOSUPERUSER NOBYPASSRLS;
CREATE ROLE custody_migrator LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS PASSWORD :'migrator_password';
CREATE ROLE custody_app LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS PASSWORD :'app_password';
CREATE ROLE custody_system LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS PASSWORD :'system_password';
GRANT custody_owner TO custody_migrator;
CREATE DATABASE custody OWNER custody_migrator;
SQL
