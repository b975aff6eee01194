-- Levels of models that an admin named on the site: an alias of domain/aliases.py as JSON, by its name.
CREATE TABLE levels (
    name TEXT PRIMARY KEY,
    record TEXT NOT NULL,
    changed_ms BIGINT NOT NULL
);
