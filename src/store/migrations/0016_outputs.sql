-- Sets of outputs that operators made over the API.

CREATE TABLE outputs (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- What it says, as JSON.
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
