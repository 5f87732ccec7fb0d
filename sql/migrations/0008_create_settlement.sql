-- Splits (分账), settlement runs, withdrawals (提现).
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE split (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    out_split_no text NOT NULL CHECK (length(out_split_no) BETWEEN 1 AND 64),
    serial text NOT NULL,
    state text NOT NULL CHECK (state IN ('requested', 'processing', 'succeeded', 'failed')),
    is_last boolean NOT NULL,
    failure_code text,
    failure_message text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES trade_order (tenant_id, id),
    CONSTRAINT split_out_no UNIQUE (out_split_no, tenant_id),
    CONSTRAINT split_serial UNIQUE (serial, tenant_id)
);
CREATE INDEX split_order ON split (order_id, tenant_id);

-- A run that turns pending into available money, once per day of the books.
CREATE TABLE settlement_run (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    business_date date NOT NULL,
    released_fen bigint NOT NULL,
    released_parts bigint NOT NULL,
    withdrawals int NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX settlement_run_day ON settlement_run (business_date, tenant_id);

CREATE TABLE split_part (
    tenant_id uuid NOT NULL,
    split_id uuid NOT NULL,
    order_id uuid NOT NULL,
    part_number smallint NOT NULL,
    sub_merchant_id uuid,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    -- When the payment's day is matched and the schedule has come.
    settlement_run_id uuid,
    PRIMARY KEY (tenant_id, split_id, part_number),
    FOREIGN KEY (tenant_id, split_id) REFERENCES split (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id, part_number) REFERENCES order_part (tenant_id, order_id, number),
    FOREIGN KEY (tenant_id, sub_merchant_id) REFERENCES sub_merchant (tenant_id, id),
    FOREIGN KEY (tenant_id, settlement_run_id) REFERENCES settlement_run (tenant_id, id)
);
CREATE INDEX split_part_unsettled ON split_part (tenant_id, order_id) WHERE settlement_run_id IS NULL;
CREATE INDEX split_part_run ON split_part (tenant_id, settlement_run_id);

CREATE TABLE withdrawal (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    sub_merchant_id uuid NOT NULL,
    bank_account_id uuid NOT NULL,
    out_withdrawal_no text NOT NULL CHECK (length(out_withdrawal_no) BETWEEN 1 AND 64),
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    serial text NOT NULL,
    state text NOT NULL CHECK (state IN ('requested', 'processing', 'succeeded', 'failed', 'returned')),
    settlement_run_id uuid,
    bank_number text,
    succeeded_at timestamptz,
    return_number text,
    returned_at timestamptz,
    failure_code text,
    failure_message text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, sub_merchant_id) REFERENCES sub_merchant (tenant_id, id),
    FOREIGN KEY (tenant_id, bank_account_id) REFERENCES bank_account (tenant_id, id),
    FOREIGN KEY (tenant_id, settlement_run_id) REFERENCES settlement_run (tenant_id, id),
    CONSTRAINT withdrawal_out_no UNIQUE (out_withdrawal_no, tenant_id),
    CONSTRAINT withdrawal_serial UNIQUE (serial, tenant_id)
);
CREATE INDEX withdrawal_sub_merchant ON withdrawal (tenant_id, sub_merchant_id);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['split', 'settlement_run', 'split_part', 'withdrawal'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO custody_app USING (tenant_id = current_setting(''app.tenant_id'')::uuid) '
            'WITH CHECK (tenant_id = current_setting(''app.tenant_id'')::uuid)', t || '_own', t
        );
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO custody_app', t);
    END LOOP;
END $$;
-- A run that found nothing to do leaves nothing behind.
GRANT DELETE ON settlement_run TO custody_app;

RESET ROLE;
