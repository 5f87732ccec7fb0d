-- What a day should bring: the statements that are to come, and what became of each.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

-- The how-manieth file of its day and form it is; files kept before this column all say 1.
ALTER TABLE statement ADD COLUMN revision int NOT NULL DEFAULT 1;

CREATE TABLE expected_statement (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    business_date date NOT NULL,
    source text NOT NULL CHECK (source IN ('wechat_pay', 'alipay', 'bank')),
    form text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'overdue', 'received', 'empty', 'refused')),
    -- What was said when it was asked for last, or what is wrong with the file; null before, and once it has come.
    reason text,
    asked int NOT NULL DEFAULT 0,
    asked_at timestamptz,
    -- From when on it is overdue.
    due_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, business_date, source, form)
);

ALTER TABLE expected_statement ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY expected_statement_own ON expected_statement TO custody_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
GRANT SELECT, INSERT, UPDATE ON expected_statement TO custody_app;

RESET ROLE;
