-- The same table, kept in the order in which a workspace's activity is read: by day and workspace, then by model and
-- endpoint. Its sums are added up while they are read, without a look into a second tree for each row and without
-- sorting. WITHOUT ROWID is SQLite's own; elsewhere the primary key alone stands for it.
CREATE TABLE usage_days_in_order (
    day BIGINT NOT NULL,
    workspace_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    app_id BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL CHECK (cost >= 0),
    byok BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (day, workspace_id, model, endpoint_id, key_id, app_id)
) WITHOUT ROWID;
INSERT INTO usage_days_in_order
SELECT day, workspace_id, model, endpoint_id, key_id, app_id, requests, errors, prompt_tokens, completion_tokens,
    reasoning_tokens, cached_tokens, cost, byok
FROM usage_days ORDER BY 1, 2, 3, 4, 5, 6;
DROP TABLE usage_days;
ALTER TABLE usage_days_in_order RENAME TO usage_days;
