-- Workspaces' own credentials for providers. `secret` is the one column that holds the secret, encrypted with
-- `data_key`, which is encrypted with the ring's key `ring_key`. Both are taken away when a credential is deleted.
CREATE TABLE byok_credentials (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    provider TEXT NOT NULL,
    label TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    version BIGINT NOT NULL,
    ring_key TEXT,
    data_key TEXT,
    secret TEXT,
    record TEXT NOT NULL,
    deployed TEXT,
    deleted_ms BIGINT
);
CREATE INDEX byok_credentials_by_workspace ON byok_credentials (workspace_id, created_ms) WHERE deleted_ms IS NULL;

-- What a key's requests cost at list price that went over its workspace's own credentials.
ALTER TABLE key_usage ADD COLUMN byok BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_days ADD COLUMN byok BIGINT NOT NULL DEFAULT 0;
