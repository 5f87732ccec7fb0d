-- The audit trail takes what the deployment's admins do as well, and what was refused to people whom nobody knows.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

-- Entries that concern no platform have the tenant 00000000-0000-0000-0000-000000000000, which is nobody's.
ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_tenant_id_fkey;
-- The request's id, as logs and answers name it; '' for commands.
ALTER TABLE audit_entry ADD COLUMN request_id text NOT NULL DEFAULT '';
-- Admins read it across platforms, the youngest first.
CREATE INDEX audit_entry_time ON audit_entry (id);

CREATE POLICY audit_entry_system ON audit_entry TO custody_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON audit_entry TO custody_system;

RESET ROLE;
