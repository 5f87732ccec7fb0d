-- Whoever takes more from a guarded account than there is gets told how much there is; see docs/ledger.md.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

-- Every statement that books postings books whole transactions, and moves the balances.
CREATE OR REPLACE FUNCTION apply_postings() RETURNS trigger
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
REVOKE ALL ON FUNCTION apply_postings() FROM public;

RESET ROLE;
