-- What the operator says on every page of the site: one row by name, its words as JSON.
CREATE TABLE site_words (
    name TEXT PRIMARY KEY,
    record TEXT NOT NULL,
    changed_ms BIGINT NOT NULL
);
