-- Passkeys (WebAuthn): public keys of authenticators, by which users sign in. `rp_id` is the host name that one was
-- made for; browsers offer it there and nowhere else.
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    rp_id TEXT NOT NULL,
    credential_id TEXT NOT NULL UNIQUE,
    public_key TEXT NOT NULL,
    name TEXT NOT NULL,
    sign_count BIGINT NOT NULL,
    synced BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms BIGINT
);
CREATE INDEX passkeys_by_user ON passkeys (user_id, created_ms);
