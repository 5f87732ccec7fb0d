-- Tenants (平台), their keys, and how each reaches its counterparties.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE tenant (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    mode text NOT NULL CHECK (mode IN ('live', 'sandbox')),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended')),
    -- Where channels and bank call back: /callbacks/<counterparty>/<callback_token>.
    callback_token text NOT NULL UNIQUE CHECK (length(callback_token) >= 32),
    -- A sandbox tenant's test clock: how far it runs ahead of the database's.
    clock_offset interval NOT NULL DEFAULT '0' CHECK (clock_offset >= '0'),
    -- The tenant's data key, wrapped by the deployment's key-encryption key.
    wrapped_key bytea NOT NULL,
    -- T+N or D+N, cut-off, minimum, automatic withdrawal.
    settlement_days int NOT NULL DEFAULT 1 CHECK (settlement_days BETWEEN 0 AND 90),
    settlement_calendar text NOT NULL DEFAULT 'natural' CHECK (settlement_calendar IN ('natural', 'working')),
    settlement_minimum_fen bigint NOT NULL DEFAULT 1 CHECK (settlement_minimum_fen > 0),
    withdraws_automatically boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    CONSTRAINT tenant_clock_is_sandbox CHECK (mode = 'sandbox' OR clock_offset = '0')
);

CREATE TABLE api_key (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    -- The public part of the key, by which it is found.
    key_id text PRIMARY KEY,
    -- HMAC-SHA-256 of the whole key under the deployment's pepper.
    key_hash bytea NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    last_four text NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX api_key_tenant ON api_key (tenant_id);

CREATE TABLE link (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    counterparty text NOT NULL CHECK (counterparty IN ('wechat_pay', 'alipay', 'bank')),
    -- Addresses, numbers and keys (JSON), encrypted under the tenant's data key.
    configuration bytea NOT NULL,
    -- The channels whose buyers pay through this link: a channel's own, or those that the custodian collects through.
    collects text[] NOT NULL CHECK (collects <@ ARRAY['wechat_pay', 'alipay']),
    -- Whether the custodian pays sub-merchants out by itself, so that nobody withdraws.
    pays_out boolean NOT NULL CHECK (counterparty = 'bank' OR NOT pays_out),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, counterparty)
);

-- What a counterparty signs with besides the keys of its link (平台证书), as it was downloaded.
CREATE TABLE platform_certificate (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    counterparty text NOT NULL CHECK (counterparty IN ('wechat_pay', 'alipay', 'bank')),
    serial text NOT NULL CHECK (length(serial) BETWEEN 1 AND 100),
    pem text NOT NULL,
    effective_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > effective_at),
    -- When it was last on the counterparty's list, by the database's clock; those of the newest list count.
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, counterparty, serial)
);

-- Working days of China, with make-up days; a date that is not here follows the week.
CREATE TABLE calendar_day (
    date date PRIMARY KEY,
    is_working boolean NOT NULL,
    name text NOT NULL
);

ALTER TABLE tenant ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE api_key ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE link ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE platform_certificate ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant_own ON tenant TO custody_app
    USING (id = current_setting('app.tenant_id')::uuid) WITH CHECK (id = current_setting('app.tenant_id')::uuid);
CREATE POLICY tenant_system ON tenant TO custody_system USING (true) WITH CHECK (true);
CREATE POLICY api_key_system ON api_key TO custody_system USING (true) WITH CHECK (true);
CREATE POLICY link_own ON link TO custody_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE POLICY platform_certificate_own ON platform_certificate TO custody_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);

GRANT SELECT, UPDATE (
    clock_offset, settlement_days, settlement_calendar, settlement_minimum_fen, withdraws_automatically
) ON tenant TO custody_app;
GRANT SELECT, INSERT, UPDATE ON tenant TO custody_system;
GRANT SELECT, INSERT, UPDATE ON api_key TO custody_system;
GRANT SELECT, INSERT, UPDATE ON link TO custody_app;
GRANT SELECT, INSERT, UPDATE ON platform_certificate TO custody_app;
GRANT SELECT ON calendar_day TO custody_app, custody_system;
GRANT INSERT, UPDATE, DELETE ON calendar_day TO custody_system;

RESET ROLE;
