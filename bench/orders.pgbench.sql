-- The yardstick of `custody bench orders`: the rows of one order, in one transaction, in one pipeline. Like ours, its ids
-- grow with time and its numbers by connection; `n` and `run` come from the command line.
\set n :n + 1
\set id :run * 1000000000 + :n * 1000 + :client_id
\startpipeline
BEGIN;
SELECT set_config('app.tenant_id', :tenant, true);
INSERT INTO trade_order (tenant_id, id, out_order_no, amount_fen, description, payer, metadata, split_mode, expires_at, created_at) VALUES (:tenant::uuid, (lpad(to_hex(:id::bigint), 12, '0') || '70008000000000000000')::uuid, 'P' || :run::text || '-' || :client_id::text || '-' || :n::text, 10000, 'bench', 'buyer', '{}', 'on_confirmation', now() + interval '2 hours', now());
INSERT INTO order_part (tenant_id, order_id, number, sub_merchant_id, amount_fen) VALUES (:tenant::uuid, (lpad(to_hex(:id::bigint), 12, '0') || '70008000000000000000')::uuid, 1, :s1::uuid, 6000), (:tenant::uuid, (lpad(to_hex(:id::bigint), 12, '0') || '70008000000000000000')::uuid, 2, :s2::uuid, 3500), (:tenant::uuid, (lpad(to_hex(:id::bigint), 12, '0') || '70008000000000000000')::uuid, 3, NULL, 500);
INSERT INTO idempotency_key (tenant_id, key, route, body_hash, status, response, created_at) VALUES (:tenant::uuid, 'P' || :run::text || '-' || :client_id::text || '-' || :n::text, 'POST /v1/orders', decode(repeat('00', 32), 'hex'), 201, convert_to(repeat('x', 700), 'UTF8'), now());
INSERT INTO job (tenant_id, queue, id, kind, subject) VALUES (:tenant::uuid, 'instructions', (lpad(to_hex(:id::bigint), 12, '0') || '70008000000000000001')::uuid, 'sync_order', lpad(to_hex(:id::bigint), 12, '0') || '70008000000000000000');
COMMIT;
\endpipeline
