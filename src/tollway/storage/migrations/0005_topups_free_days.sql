-- What an account bought is asked for while a request waits.
CREATE INDEX transfers_topups ON transfers (credit, amount) WHERE kind = 'topup';

-- Requests of `:free` models by workspace, of the UTC day (days since 1970) in which they came.
CREATE TABLE free_days (
    workspace_id TEXT PRIMARY KEY,
    day BIGINT NOT NULL,
    used BIGINT NOT NULL
);
