-- Sub-merchants (子商户) and the bank accounts they bind.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE sub_merchant (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    -- The platform's own number.
    out_sub_merchant_no text NOT NULL CHECK (length(out_sub_merchant_no) BETWEEN 1 AND 64),
    kind text NOT NULL CHECK (kind IN ('company', 'individual_business', 'individual')),
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 128),
    -- Names, numbers and phones (JSON), encrypted under the tenant's data key.
    personal bytea NOT NULL,
    -- Blind index (HMAC-SHA-256 under the tenant's index key) over the certificate number.
    certificate_index bytea NOT NULL,
    state text NOT NULL CHECK (
        state IN ('submitted', 'reviewing', 'rejected', 'active', 'frozen', 'closing', 'closed')
    ),
    -- Why the custodian refused: [{"field", "reason"}].
    objections jsonb NOT NULL DEFAULT '[]',
    application_number text,
    sign_url text,
    -- The account that the custodian keeps for it.
    sub_account text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    -- Numbers stand before the tenant, here and below: beside the primary key no other index may look as good for `tenant_id`
    -- and `id`, or a plan made while the table is small walks through all rows of a tenant for every foreign key.
    CONSTRAINT sub_merchant_out_no UNIQUE (out_sub_merchant_no, tenant_id),
    CONSTRAINT sub_merchant_active_has_account CHECK (state NOT IN ('active', 'frozen') OR sub_account IS NOT NULL)
);
CREATE INDEX sub_merchant_certificate ON sub_merchant (certificate_index, tenant_id);
CREATE UNIQUE INDEX sub_merchant_sub_account ON sub_merchant (tenant_id, sub_account) WHERE sub_account IS NOT NULL;

CREATE TABLE bank_account (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    sub_merchant_id uuid NOT NULL,
    -- Number, holder, bank and mobile (JSON), encrypted under the tenant's data key.
    personal bytea NOT NULL,
    account_index bytea NOT NULL,
    bank_name text NOT NULL,
    last_four text NOT NULL CHECK (length(last_four) = 4),
    is_corporate boolean NOT NULL,
    verification text NOT NULL CHECK (verification IN ('small_amount', 'sms_code')),
    state text NOT NULL CHECK (state IN ('submitted', 'to_verify', 'verifying', 'bound', 'failed', 'expired', 'replaced')),
    -- The custodian's number of the binding.
    binding_number text,
    expires_at timestamptz,
    tries_left int,
    -- What the holder read off the small transfer or the SMS, until it is sent; encrypted.
    proof bytea,
    failure_code text,
    failure_message text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, sub_merchant_id) REFERENCES sub_merchant (tenant_id, id)
);
CREATE INDEX bank_account_sub_merchant ON bank_account (sub_merchant_id, tenant_id);
-- One account in force, and one on its way there.
CREATE UNIQUE INDEX bank_account_bound ON bank_account (tenant_id, sub_merchant_id) WHERE state = 'bound';
CREATE UNIQUE INDEX bank_account_open ON bank_account (tenant_id, sub_merchant_id)
WHERE state IN ('submitted', 'to_verify', 'verifying');

ALTER TABLE sub_merchant ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE bank_account ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sub_merchant_own ON sub_merchant TO custody_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE POLICY bank_account_own ON bank_account TO custody_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
GRANT SELECT, INSERT, UPDATE ON sub_merchant TO custody_app;
GRANT SELECT, INSERT, UPDATE ON bank_account TO custody_app;

RESET ROLE;
