-- Users, the workspaces that they belong to, and the browsers in which they are signed in.
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    email_verified BIGINT NOT NULL DEFAULT 0,
    admin BIGINT NOT NULL DEFAULT 0,
    disabled BIGINT NOT NULL DEFAULT 0,
    password TEXT
);

-- Who an issuer (GitHub, Google, any OIDC issuer) says that somebody is; never looked up by e-mail address.
CREATE TABLE user_identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX user_identities_by_user ON user_identities (user_id);

ALTER TABLE workspaces ADD COLUMN slug TEXT;
ALTER TABLE workspaces ADD COLUMN description TEXT;
ALTER TABLE workspaces ADD COLUMN personal BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workspaces ADD COLUMN created_by TEXT;
ALTER TABLE workspaces ADD COLUMN updated_ms BIGINT;
UPDATE workspaces SET slug = id;
CREATE UNIQUE INDEX workspaces_by_slug ON workspaces (slug);

CREATE TABLE members (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id);

-- `digest` is the HMAC of what the cookie holds; `id` names the session to its user.
CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    created_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    fresh_ms BIGINT NOT NULL,
    address TEXT,
    user_agent TEXT
);
CREATE INDEX sessions_by_user ON sessions (user_id);

-- Links that work once: the first start's setup, invitations, a forgotten password, a new e-mail address.
CREATE TABLE one_time_links (
    digest TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    record TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);

-- Append-only; `chain` is the hash of the row with the chain of the row before it, so that none can be changed unseen.
CREATE TABLE audit_log (
    number BIGINT PRIMARY KEY,
    created_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    workspace_id TEXT,
    target TEXT NOT NULL,
    details TEXT NOT NULL,
    chain TEXT NOT NULL
);
CREATE INDEX audit_log_by_workspace ON audit_log (workspace_id, number);

-- A key that was deleted stays, because generations and meters refer to it.
ALTER TABLE keys ADD COLUMN updated_ms BIGINT;
ALTER TABLE keys ADD COLUMN deleted_ms BIGINT;
ALTER TABLE keys ADD COLUMN include_byok BIGINT NOT NULL DEFAULT 0;
ALTER TABLE key_usage ADD COLUMN last_ms BIGINT NOT NULL DEFAULT 0;
