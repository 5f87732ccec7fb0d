-- Orders (订单) and who gets what of them.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE trade_order (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    out_order_no text NOT NULL CHECK (length(out_order_no) BETWEEN 1 AND 64),
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    currency text NOT NULL DEFAULT 'CNY' CHECK (currency = 'CNY'),
    description text NOT NULL CHECK (length(description) BETWEEN 1 AND 127),
    -- The buyer's number at the platform.
    payer text,
    metadata jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paid', 'closed')),
    split_mode text NOT NULL CHECK (split_mode IN ('immediate', 'on_confirmation')),
    split_state text NOT NULL DEFAULT 'none' CHECK (split_state IN ('none', 'partial', 'finished')),
    -- What the custodian knows of it: nothing yet, the intention, the receipt.
    bank_state text NOT NULL DEFAULT 'pending' CHECK (bank_state IN ('pending', 'synced', 'registered', 'failed')),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT trade_order_out_no UNIQUE (out_order_no, tenant_id)
) WITH (fillfactor = 80);

-- Orders that expire are found by their time; only open ones can.
CREATE INDEX trade_order_expiry ON trade_order (tenant_id, expires_at) WHERE state = 'open';

CREATE TABLE order_part (
    tenant_id uuid NOT NULL,
    order_id uuid NOT NULL,
    number smallint NOT NULL,
    -- Who gets it; null is the platform itself (its commission).
    sub_merchant_id uuid,
    amount_fen bigint NOT NULL CHECK (amount_fen >= 0),
    -- Asked for or done; what is left of the amount is held.
    split_fen bigint NOT NULL DEFAULT 0 CHECK (split_fen >= 0),
    refunded_fen bigint NOT NULL DEFAULT 0 CHECK (refunded_fen >= 0),
    PRIMARY KEY (tenant_id, order_id, number),
    FOREIGN KEY (tenant_id, order_id) REFERENCES trade_order (tenant_id, id),
    FOREIGN KEY (tenant_id, sub_merchant_id) REFERENCES sub_merchant (tenant_id, id),
    CONSTRAINT order_part_not_overdrawn CHECK (split_fen + refunded_fen <= amount_fen)
) WITH (fillfactor = 80);
CREATE INDEX order_part_sub_merchant ON order_part (sub_merchant_id, tenant_id);

ALTER TABLE trade_order ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE order_part ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY trade_order_own ON trade_order TO custody_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE POLICY order_part_own ON order_part TO custody_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
GRANT SELECT, INSERT, UPDATE ON trade_order TO custody_app;
GRANT SELECT, INSERT, UPDATE ON order_part TO custody_app;

RESET ROLE;
