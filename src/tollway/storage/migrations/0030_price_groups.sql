-- Groups whose prices are multiplied, as an admin made them; tollway.toml has others.
CREATE TABLE price_groups (
    name TEXT PRIMARY KEY,
    multiplier TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);

-- Who is in one. `group_name` may be a group of tollway.toml, which is in no table.
CREATE TABLE price_group_members (
    kind TEXT NOT NULL CHECK (kind IN ('workspace', 'key')),
    id TEXT NOT NULL,
    group_name TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
