-- Statements (对账单), three-way matching (对账), discrepancies (差错) and what is done about them.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE statement (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    source text NOT NULL CHECK (source IN ('wechat_pay', 'alipay', 'bank')),
    form text NOT NULL,
    business_date date NOT NULL,
    file_name text NOT NULL,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    line_count bigint NOT NULL,
    amount_fen bigint NOT NULL,
    -- A corrected file replaces the one before.
    is_current boolean NOT NULL DEFAULT true,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT statement_once UNIQUE (sha256, source, form, business_date, tenant_id)
);
CREATE UNIQUE INDEX statement_current ON statement (tenant_id, source, form, business_date) WHERE is_current;

-- A statement's file as delivered, in parts of one mebibyte, so that nobody ever holds one whole.
CREATE TABLE statement_part (
    tenant_id uuid NOT NULL,
    statement_id uuid NOT NULL,
    part int NOT NULL CHECK (part >= 0),
    bytes bytea NOT NULL,
    PRIMARY KEY (tenant_id, statement_id, part),
    FOREIGN KEY (tenant_id, statement_id) REFERENCES statement (tenant_id, id)
);

CREATE TABLE statement_line (
    tenant_id uuid NOT NULL,
    statement_id uuid NOT NULL,
    line_number int NOT NULL,
    kind text NOT NULL CHECK (
        kind IN (
            'payment', 'refund', 'bank_receipt', 'bank_refund', 'withdrawal', 'withdrawal_return', 'balance',
            'movement', 'split', 'settlement', 'bank_fee', 'card', 'stock'
        )
    ),
    reference text NOT NULL,
    parent_reference text,
    counterpart_number text NOT NULL,
    amount_fen bigint NOT NULL,
    fee_fen bigint NOT NULL,
    status text NOT NULL,
    occurred_at timestamptz NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, statement_id, line_number),
    FOREIGN KEY (tenant_id, statement_id) REFERENCES statement (tenant_id, id)
);
CREATE INDEX statement_line_reference ON statement_line (tenant_id, statement_id, kind, reference);

-- The numbers under which a statement may list something of ours: its own, and where a custodian collected for several
-- payees, `<serial>-<n>` for each of them.
CREATE FUNCTION line_names(p_serial text, p_shares boolean) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, custody
AS $$
    SELECT ARRAY[p_serial]
        || CASE WHEN p_shares THEN ARRAY(SELECT p_serial || '-' || n FROM generate_series(1, 50) AS n) END
$$;
REVOKE ALL ON FUNCTION line_names(text, boolean) FROM public;
GRANT EXECUTE ON FUNCTION line_names(text, boolean) TO custody_app;

-- A lump that arrived in the custody account (到账).
CREATE TABLE bank_credit (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    number text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('wechat_pay', 'alipay')),
    business_date date NOT NULL,
    amount_fen bigint NOT NULL,
    bank_date date NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE INDEX bank_credit_day ON bank_credit (tenant_id, channel, business_date);

CREATE TABLE reconciliation (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('wechat_pay', 'alipay')),
    business_date date NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'done')),
    payments bigint NOT NULL DEFAULT 0,
    refunds bigint NOT NULL DEFAULT 0,
    matched bigint NOT NULL DEFAULT 0,
    fees_fen bigint NOT NULL DEFAULT 0,
    discrepancies bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT reconciliation_day UNIQUE (business_date, channel, tenant_id)
);

CREATE TABLE discrepancy (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    reconciliation_id uuid NOT NULL,
    kind text NOT NULL CHECK (
        kind IN (
            'surplus', 'shortage', 'amount', 'fee', 'state', 'refund_surplus', 'refund_shortage', 'refund_amount',
            'duplicate', 'bank_missing', 'bank_amount', 'bank_surplus'
        )
    ),
    channel text NOT NULL,
    business_date date NOT NULL,
    reference text NOT NULL,
    payment_id uuid,
    refund_id uuid,
    our_fen bigint,
    their_fen bigint,
    bank_fen bigint,
    -- What sits in the suspense account because of it; credit is positive (more there than we know of).
    suspense_fen bigint NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'proposed', 'resolved')),
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    resolved_at timestamptz,
    -- A corrected file no longer shows it, or shows other figures: a later file may open it anew, as another row.
    is_withdrawn boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, reconciliation_id) REFERENCES reconciliation (tenant_id, id),
    CONSTRAINT discrepancy_resolved CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
    CONSTRAINT discrepancy_withdrawn CHECK (state = 'resolved' OR NOT is_withdrawn)
);
-- Running again finds the same things, and does not find them twice.
CREATE UNIQUE INDEX discrepancy_once ON discrepancy (tenant_id, channel, business_date, kind, reference)
WHERE NOT is_withdrawn;
CREATE INDEX discrepancy_open ON discrepancy (tenant_id, due_at) WHERE state <> 'resolved';
CREATE INDEX discrepancy_reference ON discrepancy (reference, tenant_id);

CREATE TABLE resolution (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    discrepancy_id uuid NOT NULL,
    action text NOT NULL CHECK (action IN ('write_off', 'adjust')),
    note text NOT NULL,
    maker text NOT NULL,
    checker text,
    state text NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed', 'approved', 'rejected')),
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, discrepancy_id) REFERENCES discrepancy (tenant_id, id),
    -- Four eyes: whoever proposes does not decide.
    CONSTRAINT resolution_four_eyes CHECK (checker IS NULL OR checker <> maker),
    CONSTRAINT resolution_decided CHECK ((state = 'proposed') = (checker IS NULL))
);
CREATE UNIQUE INDEX resolution_open ON resolution (tenant_id, discrepancy_id) WHERE state = 'proposed';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['statement', 'statement_line', 'bank_credit', 'reconciliation', 'discrepancy', 'resolution'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO custody_app USING (tenant_id = current_setting(''app.tenant_id'')::uuid) '
            'WITH CHECK (tenant_id = current_setting(''app.tenant_id'')::uuid)', t || '_own', t
        );
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO custody_app', t);
    END LOOP;
END $$;

ALTER TABLE statement_part ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY statement_part_own ON statement_part TO custody_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
GRANT SELECT, INSERT ON statement_part TO custody_app;

RESET ROLE;
