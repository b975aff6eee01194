-- Codes that are redeemed for credits. Only digests of them are kept; nothing has used the table that was here before.
DROP TABLE codes;
CREATE TABLE codes (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    credits BIGINT NOT NULL CHECK (credits > 0),
    uses_max BIGINT NOT NULL,
    uses BIGINT NOT NULL DEFAULT 0,
    note TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT,
    CHECK (uses >= 0 AND uses <= uses_max)
);
CREATE INDEX codes_by_time ON codes (created_ms, id);

-- Who has redeemed what: a code counts once for each user and once for each workspace, whatever asks at once.
CREATE TABLE redemptions (
    code_id TEXT NOT NULL REFERENCES codes (id),
    user_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (code_id, user_id),
    UNIQUE (code_id, workspace_id)
);
