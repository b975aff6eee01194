-- What a workspace wants of each of its requests, as JSON (`WorkspaceSettings`).
CREATE TABLE workspace_settings (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
    updated_ms BIGINT NOT NULL,
    record TEXT NOT NULL
);

-- For requests of the key that name no model.
ALTER TABLE keys ADD COLUMN default_model TEXT;

-- `designated_version_id` is the version that counts. Versions are never changed.
CREATE TABLE presets (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    slug TEXT NOT NULL,
    status TEXT NOT NULL,
    status_ms BIGINT,
    designated_version_id TEXT NOT NULL,
    creator_user_id TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (workspace_id, slug)
);

CREATE TABLE preset_versions (
    id TEXT PRIMARY KEY,
    preset_id TEXT NOT NULL REFERENCES presets (id),
    version BIGINT NOT NULL,
    system_prompt TEXT,
    config TEXT NOT NULL,
    creator_id TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    UNIQUE (preset_id, version)
);
