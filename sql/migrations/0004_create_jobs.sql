-- Later work: one table, a partition per queue, a lane per tenant within it; see docs/jobs.md.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE queue (
    name text PRIMARY KEY,
    -- A paused queue hands out nothing; what is running goes on.
    is_paused boolean NOT NULL DEFAULT false
);
INSERT INTO queue (name)
VALUES ('callbacks'), ('payments'), ('instructions'), ('queries'), ('statements'), ('reconciliation'), ('settlement'), ('webhooks');

-- Ready and running jobs only, so that what is polled stays small.
CREATE TABLE job (
    tenant_id uuid NOT NULL,
    queue text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    -- What it is about: the handler reads everything else from the row that this names.
    subject text NOT NULL,
    attempt int NOT NULL DEFAULT 0,
    -- Grows with every claim: whoever holds an older one has lost the job.
    lease bigint NOT NULL DEFAULT 0,
    -- Until when it is being worked on, by the database's clock; null when nobody does.
    lease_until timestamptz,
    PRIMARY KEY (queue, tenant_id, id)
) PARTITION BY LIST (queue);
CREATE INDEX job_ready ON job (tenant_id, id) WHERE lease_until IS NULL;
CREATE INDEX job_leased ON job (lease_until) WHERE lease_until IS NOT NULL;

DO $$
DECLARE
    q text;
BEGIN
    FOR q IN SELECT name FROM queue LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF job FOR VALUES IN (%L) WITH (fillfactor = 70, '
            'autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0)',
            'job_' || q, q
        );
    END LOOP;
END $$;

-- Jobs whose time has not come.
CREATE TABLE job_later (
    tenant_id uuid NOT NULL,
    queue text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    attempt int NOT NULL DEFAULT 0,
    lease bigint NOT NULL DEFAULT 0,
    -- When, by the tenant's clock.
    run_at timestamptz NOT NULL,
    -- The same by the database's clock: moves when a sandbox's clock is set forward.
    due_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, queue, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX job_later_due ON job_later (due_at);
-- A hint brings a job forward: it is found by what it is about.
CREATE INDEX job_later_subject ON job_later (tenant_id, subject);

-- Jobs that failed too often, or crashed their workers: a person retries or discards them.
CREATE TABLE job_dead (
    tenant_id uuid NOT NULL,
    queue text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    attempt int NOT NULL,
    lease bigint NOT NULL,
    reason text NOT NULL,
    died_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, queue, id)
);

-- What was done. A partition a day, dropped when old, never deleted from.
CREATE TABLE job_done (
    tenant_id uuid NOT NULL,
    queue text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    attempt int NOT NULL,
    outcome text NOT NULL,
    finished_at timestamptz NOT NULL
) PARTITION BY RANGE (finished_at);
CREATE TABLE job_done_default PARTITION OF job_done DEFAULT;
CREATE INDEX job_done_tenant ON job_done (tenant_id, finished_at);

ALTER TABLE job ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE job_later ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE job_dead ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE job_done ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- A tenant's transaction adds and finishes its own jobs; the system claims everybody's.
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['job', 'job_later', 'job_dead', 'job_done'] LOOP
        EXECUTE format(
            'CREATE POLICY %I ON %I TO custody_app USING (tenant_id = current_setting(''app.tenant_id'')::uuid) '
            'WITH CHECK (tenant_id = current_setting(''app.tenant_id'')::uuid)', t || '_own', t
        );
        EXECUTE format('CREATE POLICY %I ON %I TO custody_system USING (true) WITH CHECK (true)', t || '_system', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO custody_app, custody_system', t);
    END LOOP;
    -- Partitions are reached through their parents only, and carry the same guard all the same.
    FOR t IN SELECT 'job_' || name FROM queue UNION ALL SELECT 'job_done_default' LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
    END LOOP;
END $$;
REVOKE UPDATE, DELETE ON job_done FROM custody_app, custody_system;

-- Makes the partitions of today and the next days, and drops what is older than so many days. Any worker may ask for it.
CREATE FUNCTION keep_job_history(p_days int) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, custody
AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    ahead int;
    partition text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('custody.keep_job_history', 0)) THEN
        RETURN;
    END IF;
    FOR ahead IN 0..2 LOOP
        partition := 'job_done_' || to_char(today + ahead, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('custody.' || partition) IS NOT NULL;
        BEGIN
            EXECUTE format(
                'CREATE TABLE custody.%I PARTITION OF custody.job_done FOR VALUES FROM (%L) TO (%L)', partition,
                to_char(today + ahead, 'YYYY-MM-DD 00:00:00+00'), to_char(today + ahead + 1, 'YYYY-MM-DD 00:00:00+00')
            );
            EXECUTE format('ALTER TABLE custody.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', partition);
        EXCEPTION WHEN check_violation THEN
            -- Nobody had asked for days: this one's rows are in the default partition, and stay there.
            NULL;
        END;
    END LOOP;
    FOR partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'custody.job_done'::regclass AND c.relname ~ '^job_done_[0-9]{8}$'
           AND to_date(right(c.relname, 8), 'YYYYMMDD') < today - p_days
    LOOP
        EXECUTE format('DROP TABLE custody.%I', partition);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION keep_job_history(int) FROM public;
GRANT EXECUTE ON FUNCTION keep_job_history(int) TO custody_system;
SELECT keep_job_history(30);

-- Ends jobs that had no effect: each in a transaction of its own, all in one call. Answers with the positions of those that
-- ended; the others' leases were lost.
--
-- Only the last transaction waits for the disk. The log is written in order, so what it waits for holds all before it; and
-- nobody was told of those before. A procedure that commits can neither fix its search path nor be a definer's: it has its
-- caller's rights, and names every schema.
CREATE PROCEDURE retire_jobs(
    p_tenants uuid[], p_queues text[], p_ids uuid[], p_leases bigint[], INOUT p_ended bigint[]
)
    LANGUAGE plpgsql
AS $$
DECLARE
    last int := pg_catalog.cardinality(p_ids);
    unused text;
BEGIN
    FOR i IN 1..last LOOP
        IF i < last THEN
            unused := pg_catalog.set_config('synchronous_commit', 'off', true);
        END IF;
        WITH ended AS (
            DELETE FROM custody.job
             WHERE tenant_id = p_tenants[i] AND queue = p_queues[i] AND id = p_ids[i] AND lease = p_leases[i]
            RETURNING tenant_id, queue, id, kind, subject, attempt
        )
        INSERT INTO custody.job_done (tenant_id, queue, id, kind, subject, attempt, outcome, finished_at)
        SELECT tenant_id, queue, id, kind, subject, attempt, 'done', pg_catalog.clock_timestamp() FROM ended;
        IF FOUND THEN
            p_ended := p_ended || i::bigint;
        ELSIF i = last AND pg_catalog.cardinality(p_ended) > 0 THEN
            -- A transaction that wrote nothing waits for nothing.
            PERFORM pg_catalog.pg_logical_emit_message(true, 'custody', '');
        END IF;
        COMMIT;
    END LOOP;
END $$;
REVOKE ALL ON PROCEDURE retire_jobs(uuid[], text[], uuid[], bigint[], bigint[]) FROM public;
GRANT EXECUTE ON PROCEDURE retire_jobs(uuid[], text[], uuid[], bigint[], bigint[]) TO custody_system;

GRANT SELECT ON queue TO custody_app;
GRANT SELECT, UPDATE ON queue TO custody_system;

RESET ROLE;
