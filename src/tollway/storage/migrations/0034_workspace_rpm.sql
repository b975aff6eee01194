-- A workspace's own requests per minute, in place of `limits.workspace_rpm`; NULL: as the configuration says.
ALTER TABLE workspaces ADD COLUMN rpm BIGINT CHECK (rpm > 0);
