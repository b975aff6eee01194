-- How a workspace's account stood right after each transfer that is no usage; lots are derived from it (MONEY.md).
-- What an account had before its first mark counts as given, and does not expire.
CREATE TABLE marks (
    account TEXT NOT NULL REFERENCES accounts (id),
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    lot TEXT NOT NULL,
    amount BIGINT NOT NULL,
    credited BIGINT NOT NULL,
    debited BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (account, number)
);

-- What somebody wants to buy, or has bought: amounts, currency and workspace of a payment are read here and nowhere else.
CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    provider TEXT NOT NULL,
    status TEXT NOT NULL,
    credits BIGINT NOT NULL CHECK (credits > 0),
    fee BIGINT NOT NULL CHECK (fee >= 0),
    price_cents BIGINT NOT NULL CHECK (price_cents > 0),
    currency TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    user_id TEXT,
    automatic BIGINT NOT NULL DEFAULT 0,
    save_method BIGINT NOT NULL DEFAULT 0,
    checkout_id TEXT,
    checkout_url TEXT,
    payment_id TEXT,
    paid_ms BIGINT,
    UNIQUE (provider, payment_id)
);
CREATE INDEX orders_by_workspace ON orders (workspace_id, created_ms);

-- Every event that a payment provider told us, for ever: the same one again changes nothing.
CREATE TABLE payment_events (
    provider TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    order_id TEXT,
    outcome TEXT NOT NULL,
    received_ms BIGINT NOT NULL,
    PRIMARY KEY (provider, id)
);

-- Refunds that we asked a provider for: taken from the workspace first, given back if it fails.
CREATE TABLE refunds (
    id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders (id),
    status TEXT NOT NULL,
    credits BIGINT NOT NULL CHECK (credits > 0),
    cents BIGINT NOT NULL CHECK (cents >= 0),
    provider_ref TEXT,
    created_ms BIGINT NOT NULL,
    UNIQUE (provider_ref)
);
CREATE INDEX refunds_by_order ON refunds (order_id);
CREATE INDEX refunds_waiting ON refunds (created_ms) WHERE status = 'pending';

CREATE TABLE codes (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    batch TEXT NOT NULL,
    credits BIGINT NOT NULL CHECK (credits > 0),
    per_user BIGINT NOT NULL DEFAULT 1,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    redeemed_ms BIGINT,
    user_id TEXT,
    workspace_id TEXT
);
CREATE UNIQUE INDEX codes_one_per_user ON codes (batch, user_id) WHERE user_id IS NOT NULL AND per_user = 1;

-- A method that was saved at a provider, and when credits are bought with it without asking.
CREATE TABLE auto_topups (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
    provider TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    method_id TEXT NOT NULL,
    enabled BIGINT NOT NULL DEFAULT 0,
    threshold BIGINT NOT NULL DEFAULT 0,
    amount BIGINT NOT NULL DEFAULT 0,
    monthly_max BIGINT NOT NULL DEFAULT 0,
    failed_ms BIGINT,
    failure TEXT
);
