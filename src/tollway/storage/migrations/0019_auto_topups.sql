-- Automatic top-ups: at most one is under way for a workspace, whatever looks at its balance at once.
CREATE UNIQUE INDEX orders_one_automatic ON orders (workspace_id) WHERE automatic = 1 AND status = 'pending';
CREATE INDEX orders_automatic ON orders (workspace_id, created_ms) WHERE automatic = 1;
ALTER TABLE auto_topups ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
