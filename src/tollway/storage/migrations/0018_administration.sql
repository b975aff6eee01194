-- A workspace that the operator has stopped: none of its keys works until it may go on.
ALTER TABLE workspaces ADD COLUMN disabled_ms BIGINT;

-- The list of everybody's keys, the newest first.
CREATE INDEX keys_by_time ON keys (created_ms, id);

-- What providers bill for the requests of a day, whoever pays: beside what was earned with them.
ALTER TABLE usage_days ADD COLUMN upstream BIGINT NOT NULL DEFAULT 0;

-- SQLite's own JSON function: only its databases are older than this column. Of records that were dropped the cost is
-- known alone.
UPDATE usage_days SET upstream = COALESCE((
    SELECT SUM(absorbed + CASE
        WHEN cost = 0 THEN 0
        WHEN record = '' THEN cost
        WHEN json_extract(record, '$.credential_id') IS NOT NULL THEN 0
        ELSE COALESCE(json_extract(record, '$.upstream_cost'), cost) END)
    FROM generations g
    WHERE g.created_ms / 86400000 = usage_days.day AND g.workspace_id = usage_days.workspace_id
        AND g.key_id = usage_days.key_id AND g.model = usage_days.model
        AND COALESCE(g.endpoint_id, '') = usage_days.endpoint_id AND g.app_id = usage_days.app_id
        AND g.created_ms >= usage_days.day * 86400000 AND g.created_ms < (usage_days.day + 1) * 86400000
), 0);
