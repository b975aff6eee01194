-- What lists and sums of generations need beside their records, which may be dropped after a time.
ALTER TABLE generations ADD COLUMN prompt_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE generations ADD COLUMN completion_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE generations ADD COLUMN reasoning_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE generations ADD COLUMN cached_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE generations ADD COLUMN app_id BIGINT NOT NULL DEFAULT 0;

-- SQLite's own JSON function: only its databases are older than these columns.
UPDATE generations SET
    prompt_tokens = COALESCE(json_extract(record, '$.usage.prompt'), 0),
    completion_tokens = COALESCE(json_extract(record, '$.usage.completion'), 0),
    reasoning_tokens = COALESCE(json_extract(record, '$.usage.reasoning'), 0),
    cached_tokens = COALESCE(json_extract(record, '$.usage.cache_read'), 0);

-- Generations summed by UTC day (days since 1970). endpoint_id '': nobody answered. app_id 0: no app was named.
CREATE TABLE usage_days (
    day BIGINT NOT NULL,
    workspace_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    app_id BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL CHECK (cost >= 0),
    PRIMARY KEY (day, workspace_id, key_id, model, endpoint_id, app_id)
);
INSERT INTO usage_days
SELECT created_ms / 86400000, workspace_id, key_id, model, COALESCE(endpoint_id, ''), 0, COUNT(*),
    SUM(CASE WHEN finish_reason = 'error' THEN 1 ELSE 0 END), SUM(prompt_tokens), SUM(completion_tokens),
    SUM(reasoning_tokens), SUM(cached_tokens), SUM(cost)
FROM generations GROUP BY 1, 2, 3, 4, 5;

-- Who sent requests, as their HTTP-Referer and title say; `id` is a digest of what tells one app from another.
CREATE TABLE apps (
    id BIGINT PRIMARY KEY,
    url TEXT,
    title TEXT,
    created_ms BIGINT NOT NULL
);
