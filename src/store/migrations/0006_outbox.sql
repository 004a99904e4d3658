-- What goes out to others: how far each tenant's export has come, and which thresholds were passed and told.

-- The last entry of the ledger that the receiver has taken (see EntryCursor); everything before it was taken too.
CREATE TABLE export_cursors (
    tenant TEXT PRIMARY KEY NOT NULL,
    at_ms INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    minute_start_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE passed_thresholds (
    tenant TEXT NOT NULL,
    -- Start of the calendar month (UTC) it was passed in.
    month_start_ms INTEGER NOT NULL,
    threshold TEXT NOT NULL,
    passed_ms INTEGER NOT NULL,
    -- What the webhook is told, to the letter: every attempt says the same.
    event TEXT NOT NULL,
    told_ms INTEGER,
    PRIMARY KEY (tenant, month_start_ms, threshold)
) WITHOUT ROWID;

CREATE INDEX untold_thresholds ON passed_thresholds (passed_ms) WHERE told_ms IS NULL;
