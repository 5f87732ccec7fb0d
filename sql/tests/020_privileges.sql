-- Who may do what, by the catalog.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT plan(13);

CREATE TEMPORARY VIEW our_role AS
SELECT oid, rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication
  FROM pg_roles WHERE rolname IN ('custody_owner', 'custody_app', 'custody_system');

CREATE TEMPORARY VIEW granted AS
SELECT c.relname, c.relispartition, x.grantee, x.privilege_type
  FROM pg_class c CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x
 WHERE c.relnamespace = 'custody'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
UNION ALL
SELECT c.relname, c.relispartition, x.grantee, x.privilege_type
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid CROSS JOIN LATERAL aclexplode(a.attacl) x
 WHERE c.relnamespace = 'custody'::regnamespace;

SELECT is((SELECT count(*) FROM our_role), 3::bigint, 'the three roles exist');
SELECT is_empty(
    $$ SELECT rolname FROM our_role
        WHERE rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication $$,
    'none of them is above the rules'
);
SELECT results_eq(
    $$ SELECT rolname FROM our_role WHERE rolcanlogin ORDER BY rolname $$,
    $$ VALUES ('custody_app'::name), ('custody_system') $$,
    'nobody logs in as the owner'
);
SELECT is_empty(
    $$ SELECT m.roleid::regrole, m.member::regrole FROM pg_auth_members m JOIN our_role r ON r.oid = m.member $$,
    'none of them is a member of another role'
);
SELECT is_empty(
    $$ SELECT c.relname::text FROM pg_class c
        WHERE c.relnamespace = 'custody'::regnamespace AND c.relowner <> 'custody_owner'::regrole
        UNION ALL
       SELECT p.proname FROM pg_proc p
        WHERE p.pronamespace = 'custody'::regnamespace AND p.proowner <> 'custody_owner'::regrole
        UNION ALL
       SELECT y.typname FROM pg_type y
        WHERE y.typnamespace = 'custody'::regnamespace AND y.typowner <> 'custody_owner'::regrole
        UNION ALL
       SELECT n.nspname FROM pg_namespace n WHERE n.nspname = 'custody' AND n.nspowner <> 'custody_owner'::regrole $$,
    'custody_owner owns everything'
);
SELECT is_empty(
    $$ SELECT n.nspname FROM pg_namespace n
        WHERE n.nspname NOT IN ('custody') AND n.nspowner IN (SELECT oid FROM our_role)
        UNION ALL
       SELECT c.relname FROM pg_class c
        WHERE c.relnamespace <> 'custody'::regnamespace AND c.relowner IN (SELECT oid FROM our_role)
          AND c.relnamespace <> 'pg_toast'::regnamespace $$,
    'our roles own nothing outside the schema'
);
SELECT is_empty($$ SELECT relname, privilege_type FROM granted WHERE grantee = 0 $$, 'nothing is granted to PUBLIC');
SELECT is_empty(
    $$ SELECT x.privilege_type FROM pg_namespace n
        CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x
        WHERE n.nspname = 'custody'
          AND (x.grantee = 0 OR (x.grantee <> n.nspowner AND x.privilege_type <> 'USAGE')) $$,
    'PUBLIC may not even look into the schema, and only the owner makes things in it'
);
SELECT is_empty(
    $$ SELECT relname, privilege_type, grantee::regrole FROM granted
        WHERE relispartition AND grantee <> 'custody_owner'::regrole $$,
    'partitions are reached through their parents only'
);
SELECT is_empty(
    $$ SELECT relname, privilege_type, grantee::regrole FROM granted
        WHERE grantee IN ('custody_app'::regrole, 'custody_system'::regrole)
          AND privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') $$,
    'nobody truncates, references or triggers'
);
SELECT bag_eq(
    $$ SELECT DISTINCT relname::text FROM granted WHERE grantee = 'custody_app'::regrole AND privilege_type = 'DELETE' $$,
    $$ VALUES ('job'), ('job_later'), ('job_dead'), ('settlement_run') $$,
    'of a tenant''s rows only reminders, and runs that did nothing, are ever deleted'
);
SELECT is_empty(
    $$ SELECT relname, privilege_type FROM granted
        WHERE relname IN ('posting', 'ledger_transaction', 'ledger_account', 'balance_delta', 'audit_entry', 'event',
                          'idempotency_key', 'admin_request')
          AND grantee IN ('custody_app'::regrole, 'custody_system'::regrole) AND privilege_type NOT IN ('SELECT', 'INSERT') $$,
    'what is booked, told or remembered is never changed'
);
SELECT is_empty(
    $$ SELECT p.proname FROM pg_proc p
        WHERE p.pronamespace = 'custody'::regnamespace
          AND (
              -- A procedure that commits can have none, and must then have its caller's rights only.
              CASE p.prokind
                   WHEN 'p' THEN p.prosecdef
                   ELSE NOT EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE c = 'search_path=pg_catalog, custody')
              END
              OR EXISTS (
                  SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x WHERE x.grantee = 0
              )
          ) $$,
    'every function has a fixed search path, every procedure its caller''s rights, and none is everybody''s to call'
);

SELECT * FROM finish();
ROLLBACK;
