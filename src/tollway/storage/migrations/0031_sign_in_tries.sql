-- Wrong passwords, by a keyed digest of the user or the address that tried: when all of its tries are there again.
CREATE TABLE sign_in_tries (
    bucket TEXT PRIMARY KEY,
    empty_ns BIGINT NOT NULL
);
CREATE INDEX sign_in_tries_by_end ON sign_in_tries (empty_ns);
