-- What a workspace may spend in a day, a week, a month or in all. What it spent is the sum of its keys' key_usage.
CREATE TABLE workspace_budgets (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    period TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (workspace_id, period)
);
