-- Keys that operators made over the API. The key itself is kept nowhere.

CREATE TABLE api_keys (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- SHA-256 of the key.
    digest BLOB NOT NULL UNIQUE,
    -- What it may do, as JSON.
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
