-- All times are milliseconds of Unix time, UTC. Lists and maps are JSON.

CREATE TABLE secrets (
    name TEXT PRIMARY KEY NOT NULL,
    bytes BLOB NOT NULL CHECK (length(bytes) = 32)
) WITHOUT ROWID;

CREATE TABLE games (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    sources TEXT NOT NULL,
    labels TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

CREATE TABLE sessions (
    id TEXT PRIMARY KEY NOT NULL,
    tenant TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    layout TEXT NOT NULL,
    engine_choice TEXT NOT NULL,
    engine TEXT NOT NULL,
    games TEXT NOT NULL,
    audio TEXT NOT NULL,
    labels TEXT NOT NULL,
    device_id TEXT,
    splices TEXT NOT NULL,
    meter TEXT NOT NULL,
    last_listed INTEGER,
    effective_segment INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    end_reason TEXT,
    billable_seconds INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX sessions_of_tenant ON sessions (tenant, id);
CREATE INDEX sessions_active ON sessions (id) WHERE ended_ms IS NULL;

CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    session_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created_ms);

-- The meter: a session's whole seconds within a minute.
CREATE TABLE meter_lines (
    tenant TEXT NOT NULL,
    minute_start_ms INTEGER NOT NULL CHECK (minute_start_ms % 60000 = 0),
    session_id TEXT NOT NULL,
    billable_seconds INTEGER NOT NULL CHECK (billable_seconds BETWEEN 0 AND 60),
    layout TEXT NOT NULL,
    games TEXT NOT NULL,
    PRIMARY KEY (tenant, minute_start_ms, session_id)
) WITHOUT ROWID;
