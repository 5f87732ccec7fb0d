-- The shapes of columns, by the catalog.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT plan(8);

CREATE TEMPORARY VIEW our_column AS
SELECT c.oid, c.relname, a.attnum, a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'custody'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition;

SELECT is_empty(
    $$ SELECT o.relname, o.attname FROM our_column o
        WHERE (o.attname ~ '(^|_)state$' OR o.attname IN ('mode', 'counterparty', 'source', 'verification', 'method'))
          AND NOT EXISTS (
              SELECT FROM pg_constraint k WHERE k.conrelid = o.oid AND k.contype = 'c' AND k.conkey = ARRAY[o.attnum]
          ) $$,
    'every state has its words checked'
);
SELECT is_empty(
    $$ SELECT relname, attname, type FROM our_column WHERE attname ~ '_fen$' AND type <> 'bigint' $$,
    'money is counted in whole fen'
);
SELECT is_empty(
    $$ SELECT relname, attname, type FROM our_column
        WHERE atttypid IN ('float4'::regtype, 'float8'::regtype, 'numeric'::regtype, 'money'::regtype) $$,
    'nothing is a fraction'
);
SELECT is_empty(
    $$ SELECT relname, attname, type FROM our_column
        WHERE attname ~ '_(at|until)$' AND type <> 'timestamp with time zone' $$,
    'every time has its zone'
);
SELECT is_empty(
    $$ SELECT relname, attname, type FROM our_column
        WHERE atttypid IN ('timestamp'::regtype, 'time'::regtype, 'timetz'::regtype, 'varchar'::regtype,
                           'bpchar'::regtype, 'json'::regtype, 'xml'::regtype) $$,
    'no type is used that loses a zone, pads, or keeps what it did not read'
);
SELECT is_empty(
    $$ SELECT relname, attname FROM our_column WHERE attname ~ '_fen$' AND NOT attnotnull
          AND (relname, attname) NOT IN (
              -- What one of the three sides does not know.
              ('discrepancy', 'our_fen'), ('discrepancy', 'their_fen'), ('discrepancy', 'bank_fen')
          ) $$,
    'an amount is always there'
);
SELECT is_empty(
    $$ SELECT c.conrelid::regclass, c.conname FROM pg_constraint c
        WHERE c.connamespace = 'custody'::regnamespace AND NOT c.convalidated $$,
    'every constraint holds for all rows'
);
SELECT bag_eq(
    $$ SELECT t.tgrelid::regclass::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE p.proname = 'refuse_change' AND t.tgenabled = 'O' AND t.tgtype & 58 = 58 $$,
    $$ VALUES ('custody.posting'), ('custody.ledger_transaction'), ('custody.audit_entry') $$,
    'the books and the audit trail refuse every change, by whomever'
);

SELECT * FROM finish();
ROLLBACK;
