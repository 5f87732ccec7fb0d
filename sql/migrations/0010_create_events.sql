-- Idempotency keys, events, webhooks, and the audit trail.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE idempotency_key (
    tenant_id uuid NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- Method and path: a key belongs to one of them.
    route text NOT NULL,
    -- SHA-256 of the body: another body under the same key is a mistake.
    body_hash bytea NOT NULL,
    status int NOT NULL,
    -- What was made, to be rendered as it was.
    response bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (tenant_id, created_at);

CREATE TABLE event (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE webhook_endpoint (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    url text NOT NULL,
    -- Event types, or '*'.
    event_types text[] NOT NULL,
    secret bytea NOT NULL,
    is_enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE webhook_delivery (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts int NOT NULL DEFAULT 0,
    last_status int,
    last_error text,
    next_at timestamptz,
    delivered_at timestamptz,
    PRIMARY KEY (tenant_id, event_id, endpoint_id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES event (tenant_id, id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoint (tenant_id, id)
);

-- What admins were answered, so that a request sent again is answered again, and not done again.
CREATE TABLE admin_request (
    key text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 255),
    -- Method and path: a key belongs to one of them.
    route text NOT NULL,
    -- SHA-256 of the body: another body under the same key is a mistake.
    body_hash bytea NOT NULL,
    status int NOT NULL,
    -- Encrypted under a key that is not in the database: an answer may hold an API key, which is shown to whoever made it,
    -- and to nobody else.
    response bytea NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX admin_request_age ON admin_request (created_at);
GRANT SELECT, INSERT ON admin_request TO custody_system;

-- Who did what, from where, when.
CREATE TABLE audit_entry (
    -- What concerns no platform has the tenant 00000000-0000-0000-0000-000000000000, which is nobody's.
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    origin text NOT NULL,
    -- As logs and answers name the request; '' for commands.
    request_id text NOT NULL DEFAULT '',
    succeeded boolean NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
-- Admins read it across platforms, the youngest first.
CREATE INDEX audit_entry_time ON audit_entry (id);
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['idempotency_key', 'event', 'webhook_endpoint', 'webhook_delivery', 'audit_entry'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO custody_app USING (tenant_id = current_setting(''app.tenant_id'')::uuid) '
            'WITH CHECK (tenant_id = current_setting(''app.tenant_id'')::uuid)', t || '_own', t
        );
        EXECUTE format('GRANT SELECT, INSERT ON %I TO custody_app', t);
    END LOOP;
END $$;
GRANT UPDATE ON webhook_endpoint, webhook_delivery TO custody_app;

-- Forgets so many of a platform's keys, the oldest first. Nobody else takes one away.
ALTER POLICY idempotency_key_own ON idempotency_key TO custody_app, custody_owner;
CREATE FUNCTION forget_idempotency_keys(p_tenant uuid, p_before timestamptz, p_limit int) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, custody
AS $$
DECLARE
    forgotten bigint;
BEGIN
    WITH old AS (
        SELECT key FROM idempotency_key
         WHERE tenant_id = p_tenant AND created_at < p_before
         ORDER BY created_at
         LIMIT p_limit
           FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM idempotency_key k USING old o WHERE k.tenant_id = p_tenant AND k.key = o.key RETURNING 1
    )
    SELECT count(*) INTO forgotten FROM gone;
    RETURN forgotten;
END $$;
REVOKE ALL ON FUNCTION forget_idempotency_keys(uuid, timestamptz, int) FROM public;
GRANT EXECUTE ON FUNCTION forget_idempotency_keys(uuid, timestamptz, int) TO custody_app;

-- Forgets so many of the answers to admins, the oldest first. Nobody else takes one away.
CREATE FUNCTION forget_admin_requests(p_before timestamptz, p_limit int) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, custody
AS $$
DECLARE
    forgotten bigint;
BEGIN
    WITH old AS (
        SELECT key FROM admin_request
         WHERE created_at < p_before
         ORDER BY created_at
         LIMIT p_limit
           FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM admin_request r USING old o WHERE r.key = o.key RETURNING 1
    )
    SELECT count(*) INTO forgotten FROM gone;
    RETURN forgotten;
END $$;
REVOKE ALL ON FUNCTION forget_admin_requests(timestamptz, int) FROM public;
GRANT EXECUTE ON FUNCTION forget_admin_requests(timestamptz, int) TO custody_system;

-- What admins do, and what is refused to people whom nobody knows, is written by the system's role.
CREATE POLICY audit_entry_system ON audit_entry TO custody_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON audit_entry TO custody_system;

RESET ROLE;
