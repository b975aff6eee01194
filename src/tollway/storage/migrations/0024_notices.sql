-- What people have to know of their workspaces: it is shown until somebody of those whom it is for has put it away.
CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    user_id TEXT,
    created_ms BIGINT NOT NULL,
    text TEXT NOT NULL,
    read_ms BIGINT
);
CREATE INDEX notices_by_workspace ON notices (workspace_id, created_ms) WHERE read_ms IS NULL;
CREATE INDEX notices_by_user ON notices (user_id, created_ms) WHERE read_ms IS NULL;
