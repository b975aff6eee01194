-- Workspaces whose use is in no public ranking.
CREATE TABLE unranked (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
    since_ms BIGINT NOT NULL
);
