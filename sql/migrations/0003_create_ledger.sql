-- The ledger: double entry, append-only, integer fen; see docs/ledger.md.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE ledger_account (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    -- What it is: 'held', 'pending', 'clearing', 'bank_cash', …
    kind text NOT NULL,
    -- Whose it is: a sub-merchant's id, or '' for the platform's own; a channel's name for clearing.
    owner text NOT NULL,
    -- The side on which it grows. Balances count in that direction.
    normal_side text NOT NULL CHECK (normal_side IN ('debit', 'credit')),
    -- A guarded account never goes below zero. Whoever takes from it locks this row; whoever adds to it does not.
    is_guarded boolean NOT NULL,
    -- What is folded in so far; the rest is in balance_delta.
    balance_fen bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (owner, kind, tenant_id),
    CONSTRAINT ledger_account_not_negative CHECK (NOT is_guarded OR balance_fen >= 0)
) WITH (fillfactor = 70);

CREATE TABLE ledger_transaction (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    -- What happened: 'payment.succeeded', 'split.succeeded', …
    event text NOT NULL,
    -- To what: with the event, the reason it can be booked only once.
    subject text NOT NULL,
    business_date date NOT NULL,
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ledger_transaction_once UNIQUE (subject, event, tenant_id)
);

CREATE TABLE posting (
    tenant_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    line smallint NOT NULL,
    account_id uuid NOT NULL,
    -- Debits are positive, credits negative; every transaction sums to zero.
    amount_fen bigint NOT NULL CHECK (amount_fen <> 0),
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, transaction_id, line),
    FOREIGN KEY (tenant_id, transaction_id) REFERENCES ledger_transaction (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES ledger_account (tenant_id, id)
);
-- For statements of an account and its balance at any instant.
CREATE INDEX posting_account ON posting (tenant_id, account_id, booked_at) INCLUDE (amount_fen);

-- Movements not folded into ledger_account.balance_fen yet, so that adding to a hot account locks nothing.
CREATE TABLE balance_delta (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    -- In the account's normal direction.
    amount_fen bigint NOT NULL,
    PRIMARY KEY (tenant_id, account_id, transaction_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES ledger_account (tenant_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

ALTER TABLE ledger_account ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger_transaction ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE posting ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE balance_delta ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- The owner is under its policies too: the functions below run as the owner, for the tenant that is set.
CREATE POLICY ledger_account_own ON ledger_account TO custody_app, custody_owner
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE POLICY ledger_transaction_own ON ledger_transaction TO custody_app, custody_owner
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE POLICY posting_own ON posting TO custody_app, custody_owner
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE POLICY balance_delta_own ON balance_delta TO custody_app, custody_owner
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);

-- Nobody but the functions below moves a balance; nobody changes what was booked.
GRANT SELECT ON ledger_account TO custody_app;
-- Not the balance: an account is opened empty.
GRANT INSERT (tenant_id, id, kind, owner, normal_side, is_guarded, created_at) ON ledger_account TO custody_app;
GRANT SELECT, INSERT ON ledger_transaction TO custody_app;
GRANT SELECT, INSERT ON posting TO custody_app;
GRANT SELECT ON balance_delta TO custody_app;

-- Every statement that books postings books whole transactions, and moves the balances.
CREATE FUNCTION apply_postings() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, custody
AS $$
DECLARE
    unbalanced uuid;
    taken record;
    available bigint;
BEGIN
    SELECT p.transaction_id INTO unbalanced
      FROM posted p
     GROUP BY p.tenant_id, p.transaction_id
    HAVING sum(p.amount_fen) <> 0
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero', unbalanced USING ERRCODE = 'CU001';
    END IF;

    -- Whoever takes from guarded accounts locks them, in one order, and folds in what was added meanwhile.
    FOR taken IN
        SELECT a.tenant_id, a.id, a.kind, a.owner,
               sum(CASE a.normal_side WHEN 'debit' THEN p.amount_fen ELSE -p.amount_fen END)::bigint AS amount_fen
          FROM posted p
          JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
         WHERE a.is_guarded
         GROUP BY a.tenant_id, a.id, a.kind, a.owner, a.normal_side
        HAVING sum(CASE a.normal_side WHEN 'debit' THEN p.amount_fen ELSE -p.amount_fen END) < 0
         ORDER BY a.id
    LOOP
        PERFORM FROM ledger_account a
          WHERE a.tenant_id = taken.tenant_id AND a.id = taken.id
            FOR NO KEY UPDATE;
        SELECT a.balance_fen + (
                   SELECT coalesce(sum(d.amount_fen), 0) FROM balance_delta d
                    WHERE d.tenant_id = taken.tenant_id AND d.account_id = taken.id
               )
          INTO available
          FROM ledger_account a
         WHERE a.tenant_id = taken.tenant_id AND a.id = taken.id;
        IF available + taken.amount_fen < 0 THEN
            -- The constraint would refuse it too; but only here is it known how much there is.
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation', CONSTRAINT = 'ledger_account_not_negative',
                MESSAGE = format('%s|%s|%s|%s', taken.kind, taken.owner, available, -taken.amount_fen);
        END IF;
        WITH folded AS (
            DELETE FROM balance_delta d
             WHERE d.tenant_id = taken.tenant_id AND d.account_id = taken.id
            RETURNING d.amount_fen
        )
        UPDATE ledger_account a
           SET balance_fen = a.balance_fen + taken.amount_fen + (SELECT coalesce(sum(f.amount_fen), 0) FROM folded f)
         WHERE a.tenant_id = taken.tenant_id AND a.id = taken.id;
    END LOOP;

    INSERT INTO balance_delta (tenant_id, account_id, transaction_id, amount_fen)
    SELECT a.tenant_id, a.id, p.transaction_id, m.amount_fen
      FROM (
          SELECT p.tenant_id, p.account_id, (array_agg(p.transaction_id))[1] AS transaction_id,
                 sum(p.amount_fen)::bigint AS debit_fen
            FROM posted p
           GROUP BY p.tenant_id, p.account_id
      ) p
      JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
     CROSS JOIN LATERAL (
          SELECT CASE a.normal_side WHEN 'debit' THEN p.debit_fen ELSE -p.debit_fen END AS amount_fen
     ) m
     WHERE m.amount_fen <> 0 AND (NOT a.is_guarded OR m.amount_fen > 0);
    RETURN NULL;
END $$;

CREATE TRIGGER posting_apply AFTER INSERT ON posting
    REFERENCING NEW TABLE AS posted FOR EACH STATEMENT EXECUTE FUNCTION apply_postings();

CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, custody
AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'CU002';
END $$;

CREATE TRIGGER posting_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transaction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Folds the deltas of unguarded accounts, which nobody ever takes from under a lock. Skips what is being folded.
CREATE FUNCTION fold_balances(p_tenant uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, custody
AS $$
DECLARE
    folded_rows bigint;
BEGIN
    WITH locked AS (
        SELECT a.id FROM ledger_account a
         WHERE a.tenant_id = p_tenant
           AND EXISTS (SELECT FROM balance_delta d WHERE d.tenant_id = p_tenant AND d.account_id = a.id)
         ORDER BY a.id
           FOR NO KEY UPDATE SKIP LOCKED
    ), folded AS (
        DELETE FROM balance_delta d USING locked l
         WHERE d.tenant_id = p_tenant AND d.account_id = l.id
        RETURNING d.account_id, d.amount_fen
    ), summed AS (
        SELECT account_id, sum(amount_fen) AS amount_fen, count(*) AS row_count FROM folded GROUP BY account_id
    ), moved AS (
        UPDATE ledger_account a SET balance_fen = a.balance_fen + s.amount_fen
          FROM summed s
         WHERE a.tenant_id = p_tenant AND a.id = s.account_id
        RETURNING s.row_count
    )
    SELECT coalesce(sum(row_count), 0) INTO folded_rows FROM moved;
    RETURN folded_rows;
END $$;

REVOKE ALL ON FUNCTION apply_postings(), refuse_change(), fold_balances(uuid) FROM public;
GRANT EXECUTE ON FUNCTION fold_balances(uuid) TO custody_app;

RESET ROLE;
