-- Providers that an operator added on the site: `record` is what a [[providers]] block would say, without keys.
CREATE TABLE kept_providers (
    slug TEXT PRIMARY KEY,
    record TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);

-- Their keys, as workspaces' own are kept: `secret` is encrypted with `data_key`, that with the ring's key `ring_key`.
CREATE TABLE kept_provider_keys (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL REFERENCES kept_providers (slug),
    label TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    ring_key TEXT NOT NULL,
    data_key TEXT NOT NULL,
    secret TEXT NOT NULL
);
CREATE INDEX kept_provider_keys_by_provider ON kept_provider_keys (provider, created_ms);
