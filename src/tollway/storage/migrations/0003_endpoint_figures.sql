-- What was counted of each endpoint lately, as JSON (`Figures`): routing reads it once, at start.
CREATE TABLE endpoint_figures (
    endpoint_id TEXT PRIMARY KEY,
    saved_ms BIGINT NOT NULL,
    record TEXT NOT NULL
);
