-- What was decided for breaks and where each advertisement of it stands: a service that begins anew in a break goes on with it.

CREATE TABLE lineups (
    -- The name of what stands in.
    name TEXT PRIMARY KEY NOT NULL,
    decided_ms INTEGER NOT NULL,
    -- JSON.
    lineup TEXT NOT NULL
) WITHOUT ROWID;
