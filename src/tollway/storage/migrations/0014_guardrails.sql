-- What a workspace lets some of its keys and members do: `record` is the rules as JSON (`Guards`).
CREATE TABLE guardrails (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    description TEXT,
    is_default BIGINT NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT,
    record TEXT NOT NULL
);
CREATE INDEX guardrails_by_workspace ON guardrails (workspace_id, created_ms);

CREATE TABLE guardrail_keys (
    guardrail_id TEXT NOT NULL REFERENCES guardrails (id),
    assignee TEXT PRIMARY KEY REFERENCES keys (id),
    workspace_id TEXT NOT NULL,
    assigned_by TEXT,
    created_ms BIGINT NOT NULL
);

CREATE TABLE guardrail_members (
    guardrail_id TEXT NOT NULL REFERENCES guardrails (id),
    assignee TEXT NOT NULL REFERENCES users (id),
    workspace_id TEXT NOT NULL,
    assigned_by TEXT,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (assignee, workspace_id)
);
