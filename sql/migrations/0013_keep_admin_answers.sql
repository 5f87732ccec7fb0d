-- What admins were answered, so that a request sent again is answered again, and not done again.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
SET ROLE custody_owner;
SET search_path = custody;

CREATE TABLE admin_request (
    key text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 255),
    -- Method and path: a key belongs to one of them.
    route text NOT NULL,
    -- SHA-256 of the body: another body under the same key is a mistake.
    body_hash bytea NOT NULL,
    status int NOT NULL,
    -- Encrypted under a key that is not in the database: an answer may hold an API key, which is shown to whoever made it,
    -- and to nobody else.
    response bytea NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX admin_request_age ON admin_request (created_at);
GRANT SELECT, INSERT ON admin_request TO custody_system;

RESET ROLE;
