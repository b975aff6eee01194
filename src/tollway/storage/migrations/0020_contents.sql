-- Prompts and answers of workspaces that want them kept. `content` is the one column that holds them, encrypted with
-- `data_key`, which is encrypted with the ring's key `ring_key`; both are bound to workspace and generation.
CREATE TABLE generation_contents (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    generation_id TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    shared BIGINT NOT NULL,
    ring_key TEXT NOT NULL,
    data_key TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (workspace_id, generation_id)
);
CREATE INDEX generation_contents_by_age ON generation_contents (created_ms);
CREATE INDEX generation_contents_by_ring ON generation_contents (ring_key, workspace_id, generation_id);
