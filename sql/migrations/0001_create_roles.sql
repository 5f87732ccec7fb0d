-- Roles and the schema. Roles belong to the cluster, so they may exist already.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

DO $$
BEGIN
    -- Owns every object; nobody logs in as it.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'custody_owner') THEN
        CREATE ROLE custody_owner NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB;
    END IF;
    -- Serves one tenant at a time: every row it sees is its tenant's.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'custody_app') THEN
        CREATE ROLE custody_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOINHERIT;
    END IF;
    -- Sees all tenants, but of them only names, keys, clocks and jobs: no money, no people.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'custody_system') THEN
        CREATE ROLE custody_system LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOINHERIT;
    END IF;
END $$;

ALTER ROLE custody_app SET search_path = custody;
ALTER ROLE custody_system SET search_path = custody;
ALTER ROLE custody_app SET timezone = 'UTC';
ALTER ROLE custody_system SET timezone = 'UTC';

CREATE SCHEMA IF NOT EXISTS custody AUTHORIZATION custody_owner;
REVOKE ALL ON SCHEMA custody FROM public;
GRANT USAGE ON SCHEMA custody TO custody_app, custody_system;
