-- The failed ones among a workspace's generations: few, and looked for over long times.
CREATE INDEX generations_failed ON generations (workspace_id, created_ms) WHERE finish_reason = 'error';
