-- Orders that expire are found by their time; only open ones can.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE INDEX trade_order_expiry ON trade_order (tenant_id, expires_at) WHERE state = 'open';

RESET ROLE;
