-- Codes of the OAuth flow, by the HMAC of what the app holds; a row goes when its code is used.
CREATE TABLE auth_codes (
    digest TEXT PRIMARY KEY,
    user_id TEXT,
    maker_key_id TEXT,
    callback_url TEXT,
    challenge TEXT NOT NULL,
    method TEXT NOT NULL,
    record TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);

-- Used ones, for ever: who brings one again ends the key that it made.
CREATE TABLE used_auth_codes (
    digest TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    used_ms BIGINT NOT NULL
);
