-- What a workspace wants to be told of its money. `crossings` counts how often a balance has come back above its line.
CREATE TABLE alert_rules (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL DEFAULT 0 CHECK (amount >= 0),
    period TEXT NOT NULL DEFAULT '',
    percents TEXT NOT NULL DEFAULT '',
    key_id TEXT NOT NULL DEFAULT '',
    by_mail BIGINT NOT NULL DEFAULT 0,
    by_hook BIGINT NOT NULL DEFAULT 0,
    user_id TEXT NOT NULL,
    crossings BIGINT NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL
);
CREATE INDEX alert_rules_by_workspace ON alert_rules (workspace_id, created_ms);

-- Where a workspace's webhooks go. The secret of its signatures is derived from the id, and nowhere kept.
CREATE TABLE alert_hooks (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
    id TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

-- Each crossing of a line, once, whoever looks at once.
CREATE TABLE alert_events (
    id TEXT PRIMARY KEY,
    rule_id TEXT NOT NULL,
    crossing TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    UNIQUE (rule_id, crossing)
);

-- What is to be told, until it is, or is given up. `state`: pending, delivered, failed.
CREATE TABLE alert_deliveries (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    channel TEXT NOT NULL,
    target TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts BIGINT NOT NULL DEFAULT 0,
    due_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    failure TEXT NOT NULL DEFAULT ''
);
CREATE INDEX alert_deliveries_due ON alert_deliveries (due_ms) WHERE state = 'pending';
CREATE INDEX alert_deliveries_by_workspace ON alert_deliveries (workspace_id, created_ms);
