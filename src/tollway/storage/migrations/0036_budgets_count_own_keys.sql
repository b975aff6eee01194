-- Whether a workspace's budgets count what its own providers bill, too: the same in each of its rows.
ALTER TABLE workspace_budgets ADD COLUMN byok BIGINT NOT NULL DEFAULT 0;
