-- The catalog: one row for each provider, model, other name and endpoint; `record` is the row as JSON, the columns are
-- what is searched by. `origin` says who owns a row: 'shipped' (the file in the package) or 'operator' (a server that
-- somebody added). `gone` rows stay, because prices and generations refer to them.
CREATE TABLE catalog_providers (
    slug TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    gone BIGINT NOT NULL DEFAULT 0,
    record TEXT NOT NULL
);

CREATE TABLE catalog_models (
    id TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    gone BIGINT NOT NULL DEFAULT 0,
    record TEXT NOT NULL
);

CREATE TABLE catalog_aliases (
    alias TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    model_id TEXT NOT NULL
);

CREATE TABLE catalog_endpoints (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    model_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    enabled BIGINT NOT NULL DEFAULT 1,
    gone BIGINT NOT NULL DEFAULT 0,
    record TEXT NOT NULL
);
CREATE INDEX catalog_endpoints_by_provider ON catalog_endpoints (provider);

-- Append-only: a change of price is a new row. In force is the newest with effective_ms <= now; the later id wins a tie.
-- `rates` and `tiers` are JSON with decimal strings, USD per unit; rates '' means that from then on there is no price.
CREATE TABLE catalog_prices (
    id BIGINT PRIMARY KEY,
    endpoint_id TEXT NOT NULL REFERENCES catalog_endpoints (id),
    effective_ms BIGINT NOT NULL,
    rates TEXT NOT NULL,
    tiers TEXT NOT NULL DEFAULT '[]',
    declared_free BIGINT NOT NULL DEFAULT 0,
    source TEXT NOT NULL,
    as_of TEXT NOT NULL DEFAULT '',
    agreement TEXT NOT NULL DEFAULT 'single',
    other TEXT NOT NULL DEFAULT '',
    other_source TEXT NOT NULL DEFAULT ''
);
CREATE INDEX catalog_prices_in_force ON catalog_prices (endpoint_id, effective_ms, id);

-- One row for each change of the catalog; the newest number is the version of the snapshot.
CREATE TABLE catalog_versions (
    version BIGINT PRIMARY KEY,
    applied_ms BIGINT NOT NULL,
    reason TEXT NOT NULL
);
