-- A workspace that was deleted stays, because transfers, keys and generations refer to it. Its slug becomes its id.
ALTER TABLE workspaces ADD COLUMN deleted_ms BIGINT;
