-- Requests that went over a workspace's own keys in a calendar month (UTC; year * 12 + month - 1): written with their
-- charges, so that an allowance without a fee is exact after any end.
CREATE TABLE byok_months (
    workspace_id TEXT NOT NULL,
    month BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, month)
);
