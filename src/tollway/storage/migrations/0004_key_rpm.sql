-- A key's own requests per minute, in place of the configured ones.
ALTER TABLE keys ADD COLUMN rpm BIGINT;
