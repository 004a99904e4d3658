-- What advertisement servers are to be told, until they were.

CREATE TABLE beacons (
    id TEXT PRIMARY KEY NOT NULL,
    tenant TEXT NOT NULL,
    url TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    -- That failed.
    attempts INTEGER NOT NULL,
    ended_ms INTEGER,
    -- 'told', 'given_up'; NULL while it waits.
    outcome TEXT
) WITHOUT ROWID;

CREATE INDEX waiting_beacons ON beacons (due_ms) WHERE ended_ms IS NULL;
CREATE INDEX ended_beacons ON beacons (ended_ms) WHERE ended_ms IS NOT NULL;
