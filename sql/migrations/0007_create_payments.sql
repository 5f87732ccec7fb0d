-- Payments (支付), refunds (退款), what we told counterparties and what they told us.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE payment (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('wechat_pay', 'alipay')),
    -- Whose link the buyer pays through: the channel's own, or that of a custodian that collects.
    collector text NOT NULL CHECK (collector IN (channel, 'bank')),
    method text NOT NULL CHECK (method IN ('native', 'jsapi', 'h5', 'app', 'precreate', 'page', 'wap')),
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    -- Our number at the channel (out_trade_no).
    serial text NOT NULL,
    state text NOT NULL CHECK (state IN ('created', 'paying', 'succeeded', 'closed', 'failed')),
    payer_id text,
    -- What the front end needs to let the buyer pay.
    prompt jsonb,
    transaction_number text,
    paid_at timestamptz,
    -- The day of the books it was paid on, by the channel's clock.
    business_date date,
    refunded_fen bigint NOT NULL DEFAULT 0 CHECK (refunded_fen >= 0),
    failure_code text,
    failure_message text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES trade_order (tenant_id, id),
    CONSTRAINT payment_serial UNIQUE (serial, tenant_id),
    CONSTRAINT payment_not_over_refunded CHECK (refunded_fen <= amount_fen),
    CONSTRAINT payment_paid_when_succeeded CHECK (
        (state = 'succeeded') = (paid_at IS NOT NULL) AND (paid_at IS NULL) = (business_date IS NULL)
    )
) WITH (fillfactor = 80);
CREATE INDEX payment_order ON payment (order_id, tenant_id);
-- An order is paid once: a second success is a discrepancy, never a second booking.
CREATE UNIQUE INDEX payment_one_success ON payment (tenant_id, order_id) WHERE state = 'succeeded';
CREATE INDEX payment_day ON payment (tenant_id, business_date, channel) WHERE state = 'succeeded';

CREATE TABLE refund (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    out_refund_no text NOT NULL CHECK (length(out_refund_no) BETWEEN 1 AND 64),
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    reason text,
    serial text NOT NULL,
    state text NOT NULL CHECK (state IN ('requested', 'processing', 'succeeded', 'failed')),
    -- Whether the custodian knows of it.
    bank_state text NOT NULL DEFAULT 'pending' CHECK (bank_state IN ('pending', 'registered', 'failed')),
    refund_number text,
    succeeded_at timestamptz,
    business_date date,
    failure_code text,
    failure_message text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payment (tenant_id, id),
    CONSTRAINT refund_out_no UNIQUE (out_refund_no, tenant_id),
    CONSTRAINT refund_serial UNIQUE (serial, tenant_id)
);
CREATE INDEX refund_payment ON refund (payment_id, tenant_id);
CREATE INDEX refund_day ON refund (tenant_id, business_date) WHERE state = 'succeeded';

-- Who gives back how much.
CREATE TABLE refund_part (
    tenant_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    order_id uuid NOT NULL,
    part_number smallint NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    PRIMARY KEY (tenant_id, refund_id, part_number),
    FOREIGN KEY (tenant_id, refund_id) REFERENCES refund (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id, part_number) REFERENCES order_part (tenant_id, order_id, number)
);

-- A message to a counterparty that changes something there. Its serial number is stored before its first byte is sent.
CREATE TABLE instruction (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    counterparty text NOT NULL CHECK (counterparty IN ('wechat_pay', 'alipay', 'bank')),
    operation text NOT NULL,
    -- The row it is about, which holds what is to be sent.
    subject_id uuid NOT NULL,
    serial text NOT NULL,
    state text NOT NULL CHECK (state IN ('prepared', 'sent', 'accepted', 'succeeded', 'failed')),
    send_count int NOT NULL DEFAULT 0,
    query_count int NOT NULL DEFAULT 0,
    sent_at timestamptz,
    -- By when the counterparty promised, or we demand, an end (时效); past it a person is told, and we go on asking.
    due_at timestamptz NOT NULL,
    is_overdue boolean NOT NULL DEFAULT false,
    -- Why nothing is known, as of the last call; null when something is.
    doubt text,
    bank_number text,
    bank_date date,
    failure_code text,
    failure_message text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT instruction_serial UNIQUE (serial, counterparty, tenant_id),
    CONSTRAINT instruction_finished CHECK ((state IN ('succeeded', 'failed')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX instruction_subject ON instruction (tenant_id, subject_id);
-- Two workers with the same job (one of them a zombie) make one instruction, not two.
CREATE UNIQUE INDEX instruction_one_open ON instruction (tenant_id, subject_id, operation) WHERE finished_at IS NULL;
CREATE INDEX instruction_open ON instruction (tenant_id, due_at) WHERE finished_at IS NULL;

-- What a counterparty told us, as it came.
CREATE TABLE callback (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    counterparty text NOT NULL CHECK (counterparty IN ('wechat_pay', 'alipay', 'bank')),
    notification_id text NOT NULL,
    kind text NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL,
    processed_at timestamptz,
    result text,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT callback_once UNIQUE (tenant_id, counterparty, notification_id)
);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['payment', 'refund', 'refund_part', 'instruction', 'callback'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO custody_app USING (tenant_id = current_setting(''app.tenant_id'')::uuid) '
            'WITH CHECK (tenant_id = current_setting(''app.tenant_id'')::uuid)', t || '_own', t
        );
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO custody_app', t);
    END LOOP;
END $$;

RESET ROLE;
