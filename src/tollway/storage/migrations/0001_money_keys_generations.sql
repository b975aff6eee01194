-- Portable subset of SQLite and PostgreSQL. Money in nanodollars, times in integer milliseconds.
CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

-- The balance is credited - debited; both are sums of the transfers, cached (MONEY.md, The ledger).
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    credited BIGINT NOT NULL DEFAULT 0 CHECK (credited >= 0),
    debited BIGINT NOT NULL DEFAULT 0 CHECK (debited >= 0),
    platform BIGINT NOT NULL DEFAULT 0,
    CHECK (platform = 1 OR credited >= debited)
);

CREATE TABLE transfers (
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    debit TEXT NOT NULL REFERENCES accounts (id),
    credit TEXT NOT NULL REFERENCES accounts (id),
    amount BIGINT NOT NULL CHECK (amount > 0),
    created_ms BIGINT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (kind, ref),
    CHECK (debit <> credit)
);

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    usage_limit BIGINT,
    limit_reset TEXT,
    expires_ms BIGINT,
    disabled BIGINT NOT NULL DEFAULT 0,
    creator_user_id TEXT
);
CREATE INDEX keys_by_workspace ON keys (workspace_id, created_ms);

-- A key's spending by the UTC day (days since 1970) in which it was admitted.
CREATE TABLE key_usage (
    key_id TEXT NOT NULL,
    day BIGINT NOT NULL,
    spent BIGINT NOT NULL DEFAULT 0 CHECK (spent >= 0),
    PRIMARY KEY (key_id, day)
);

-- One row for each admitted request; `record` is the whole Generation as JSON, the columns are what is searched by.
CREATE TABLE generations (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    model TEXT NOT NULL,
    endpoint_id TEXT,
    finish_reason TEXT,
    cost BIGINT NOT NULL CHECK (cost >= 0),
    absorbed BIGINT NOT NULL CHECK (absorbed >= 0),
    record TEXT NOT NULL
);
CREATE INDEX generations_by_workspace ON generations (workspace_id, created_ms);
