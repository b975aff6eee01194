-- Secrets that keys had before they were rotated. Each opens its key until a time, beside the present one; the row
-- stays, so that it is known whose it was.
CREATE TABLE rotated_secrets (
    digest TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys (id),
    label TEXT NOT NULL,
    until_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX rotated_secrets_of_key ON rotated_secrets (key_id, until_ms);
