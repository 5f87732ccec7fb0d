-- A statement's file is kept in parts of one mebibyte, so that nobody ever holds one whole; and its lines may be of more kinds.
SET lock_timeout = '5s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE statement_part (
    tenant_id uuid NOT NULL,
    statement_id uuid NOT NULL,
    part int NOT NULL CHECK (part >= 0),
    -- Bytes as delivered.
    bytes bytea NOT NULL,
    PRIMARY KEY (tenant_id, statement_id, part),
    FOREIGN KEY (tenant_id, statement_id) REFERENCES statement (tenant_id, id)
);

-- What is here already becomes one part each. The owner sees rows only while the policies do not bind it.
ALTER TABLE statement NO FORCE ROW LEVEL SECURITY;
INSERT INTO statement_part (tenant_id, statement_id, part, bytes)
SELECT tenant_id, id, 0, body FROM statement WHERE length(body) > 0;
ALTER TABLE statement FORCE ROW LEVEL SECURITY;
ALTER TABLE statement DROP COLUMN body;

ALTER TABLE statement_part ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY statement_part_own ON statement_part TO custody_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
GRANT SELECT, INSERT ON statement_part TO custody_app;

ALTER TABLE statement_line DROP CONSTRAINT statement_line_kind_check;
ALTER TABLE statement_line ADD CONSTRAINT statement_line_kind_check CHECK (
    kind IN (
        'payment', 'refund', 'bank_receipt', 'bank_refund', 'withdrawal', 'withdrawal_return', 'balance', 'movement',
        'split', 'settlement', 'bank_fee', 'card', 'stock'
    )
) NOT VALID;
ALTER TABLE statement_line VALIDATE CONSTRAINT statement_line_kind_check;

RESET ROLE;
