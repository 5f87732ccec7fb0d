-- The yardstick of `custody bench callbacks`: a callback and its job, in one transaction, in one pipeline. Like ours, its ids
-- grow with time; `n` and `run` come from the command line.
\set n :n + 1
\set id :run * 1000000000 + :n * 1000 + :client_id
\startpipeline
BEGIN;
SELECT set_config('app.tenant_id', :tenant, true);
INSERT INTO callback (tenant_id, id, counterparty, notification_id, kind, headers, body, received_at) VALUES (:tenant::uuid, (lpad(to_hex(:id::bigint), 12, '0') || '70008000000000000000')::uuid, 'wechat_pay', 'P' || :run::text || '-' || :client_id::text || '-' || :n::text, 'TRANSACTION.SUCCESS', jsonb_build_object('wechatpay-serial', 'PUB_KEY_ID_1', 'wechatpay-signature', repeat('s', 344), 'wechatpay-timestamp', '1791259200', 'wechatpay-nonce', repeat('n', 32)), convert_to(repeat('x', 800), 'UTF8'), now());
INSERT INTO job (tenant_id, queue, id, kind, subject) VALUES (:tenant::uuid, 'callbacks', (lpad(to_hex(:id::bigint), 12, '0') || '70008000000000000000')::uuid, 'process_callback', lpad(to_hex(:id::bigint), 12, '0') || '70008000000000000000');
COMMIT;
\endpipeline
