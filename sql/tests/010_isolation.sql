-- Tenants are kept apart by the catalog: every table by query, so that a new one is tested the day it is made.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT plan(13);

CREATE TEMPORARY VIEW tenant_table AS
SELECT c.oid, c.relname, c.relkind, c.relispartition, c.relrowsecurity, c.relforcerowsecurity
  FROM pg_class c
 WHERE c.relnamespace = 'custody'::regnamespace AND c.relkind IN ('r', 'p')
   AND (
       c.relname = 'tenant'
       OR EXISTS (
           SELECT FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum > 0 AND NOT a.attisdropped
       )
   );

-- What deployments have, not tenants: no table may stand here without a reason.
CREATE TEMPORARY VIEW common_table (relname, reason) AS
VALUES ('calendar_day', 'the working days of the country'), ('queue', 'the names of the queues'),
       ('admin_request', 'what the deployment''s admins were answered');

SELECT cmp_ok((SELECT count(*) FROM tenant_table), '>=', 30::bigint, 'the tenant tables were found');

SELECT is_empty(
    $$ SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'custody'::regnamespace AND c.relkind IN ('r', 'p')
          AND c.oid NOT IN (SELECT oid FROM tenant_table) AND c.relname NOT IN (SELECT relname FROM common_table) $$,
    'every table belongs to tenants, or says why not'
);

SELECT is_empty(
    $$ SELECT relname FROM tenant_table WHERE NOT (relrowsecurity AND relforcerowsecurity) $$,
    'row-level security is enabled and forced on every tenant table and partition'
);

SELECT is_empty(
    $$ SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'custody'::regnamespace AND c.relkind IN ('v', 'm', 'f') $$,
    'there is no view or foreign table, which would look around the policies'
);

-- Of api_key the app role sees nothing at all; of everything else its tenant's rows.
SELECT is_empty(
    $$ SELECT t.relname FROM tenant_table t
        WHERE NOT t.relispartition AND t.relname <> 'api_key'
          AND 1 <> (SELECT count(*) FROM pg_policy p
                     WHERE p.polrelid = t.oid AND 'custody_app'::regrole = ANY (p.polroles)) $$,
    'every tenant table has one policy for the app role'
);

SELECT is_empty(
    $$ SELECT t.relname, p.polname FROM tenant_table t JOIN pg_policy p ON p.polrelid = t.oid
        WHERE NOT p.polroles && ARRAY['custody_system'::regrole]::oid[]
          AND (
              pg_get_expr(p.polqual, p.polrelid)
                  IS DISTINCT FROM format('(%s = (current_setting(''app.tenant_id''::text))::uuid)',
                                          CASE t.relname WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END)
              OR pg_get_expr(p.polwithcheck, p.polrelid) IS DISTINCT FROM pg_get_expr(p.polqual, p.polrelid)
          ) $$,
    'every policy compares with app.tenant_id, without missing_ok and without a sub-select, when reading and when writing'
);

SELECT is_empty(
    $$ SELECT p.polrelid::regclass, p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relnamespace = 'custody'::regnamespace AND (p.polcmd <> '*' OR NOT p.polpermissive) $$,
    'policies are permissive and for all commands, so that none widens another'
);

SELECT is_empty(
    $$ SELECT p.polrelid::regclass, p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relnamespace = 'custody'::regnamespace
          AND (
              0 = ANY (p.polroles)
              OR (
                  'custody_system'::regrole = ANY (p.polroles)
                  AND (
                      cardinality(p.polroles) > 1
                      OR c.relname NOT IN ('tenant', 'api_key', 'job', 'job_later', 'job_dead', 'job_done', 'audit_entry')
                  )
              )
          ) $$,
    'only tenants, keys, jobs and the audit trail are open to the system role, and nothing to everybody'
);

-- Citus distributes by the tenant, and no key may be global.
SELECT is_empty(
    $$ SELECT t.relname, i.indexrelid::regclass FROM tenant_table t JOIN pg_index i ON i.indrelid = t.oid
        WHERE i.indisunique
          AND NOT EXISTS (
              SELECT FROM pg_attribute a
               WHERE a.attrelid = t.oid AND a.attname = 'tenant_id'
                 -- A primary key begins with it.
                 AND a.attnum = ANY (CASE WHEN i.indisprimary THEN ARRAY[i.indkey[0]] ELSE i.indkey::int2[] END)
          )
          -- The tenant itself; its callback token and a key are what the tenant is found by.
          AND t.relname NOT IN ('tenant', 'api_key')
          -- A partitioned table's key begins with what it is partitioned by.
          AND NOT (
              (t.relname = 'job' OR EXISTS (
                  SELECT FROM pg_inherits h WHERE h.inhrelid = t.oid AND h.inhparent = 'custody.job'::regclass
              ))
              AND i.indisprimary
              AND (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = i.indkey[1]) = 'tenant_id'
          ) $$,
    'every key of a tenant table holds the tenant, and a primary key begins with it'
);

-- While a table is small, every index that begins with the tenant looks as good as the key for `tenant_id` and `id`; the
-- plan of a foreign key's check is kept, and would then walk through all of a tenant's rows as they become many.
SELECT is_empty(
    $$ SELECT t.relname, i.indexrelid::regclass FROM tenant_table t JOIN pg_index i ON i.indrelid = t.oid
        WHERE NOT i.indisprimary AND i.indpred IS NULL
          AND EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = t.oid)
          AND (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = i.indkey[0]) = 'tenant_id' $$,
    'where foreign keys lead to, only the primary key begins with the tenant'
);

SELECT is_empty(
    $$ SELECT t.relname FROM tenant_table t
        WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)
          -- History is only ever added to, and dropped by the day.
          AND t.relname NOT LIKE 'job\_done%' $$,
    'every tenant table has a primary key'
);

SELECT is_empty(
    $$ SELECT t.relname, k.conname FROM tenant_table t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
         JOIN tenant_table f ON f.oid = k.confrelid
        WHERE (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = k.conkey[1]) <> 'tenant_id'
           OR (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = f.oid AND a.attnum = k.confkey[1])
              <> CASE f.relname WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END $$,
    'no foreign key leads from one tenant to another'
);

SELECT is_empty(
    $$ SELECT t.relname FROM tenant_table t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id'
        WHERE NOT a.attnotnull OR a.atttypid <> 'uuid'::regtype $$,
    'tenant_id is a uuid and never null'
);

SELECT * FROM finish();
ROLLBACK;
