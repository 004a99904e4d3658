-- Hours that are over are closed: their lines change no more, and a chain of signed digests tells if they did.

CREATE TABLE ledger_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- Hours that end by then are closed.
    closed_until_ms INTEGER NOT NULL CHECK (closed_until_ms % 3600000 = 0)
);
INSERT INTO ledger_state VALUES (1, 0);

-- What was booked too late for its hour, or put right by people: the difference, in an hour that was open.
CREATE TABLE corrections (
    tenant TEXT NOT NULL,
    hour_start_ms INTEGER NOT NULL CHECK (hour_start_ms % 3600000 = 0),
    session_id TEXT NOT NULL,
    minute_start_ms INTEGER NOT NULL CHECK (minute_start_ms % 60000 = 0),
    reason TEXT NOT NULL CHECK (reason <> ''),
    billable_seconds INTEGER NOT NULL,
    slate_seconds INTEGER NOT NULL,
    slate_all_seconds INTEGER NOT NULL,
    engine TEXT NOT NULL,
    layout TEXT NOT NULL,
    tier TEXT NOT NULL,
    games TEXT NOT NULL,
    labels TEXT NOT NULL,
    PRIMARY KEY (tenant, hour_start_ms, session_id, minute_start_ms, reason)
) WITHOUT ROWID;

CREATE INDEX corrections_of_session ON corrections (session_id, minute_start_ms);

CREATE TABLE closed_hours (
    hour_start_ms INTEGER PRIMARY KEY NOT NULL CHECK (hour_start_ms % 3600000 = 0),
    -- Lines and corrections, and the sum of their billable seconds.
    entries INTEGER NOT NULL,
    billable_seconds INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    public_key BLOB NOT NULL CHECK (length(public_key) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64)
);

-- Lines and corrections alike, each with the instant that decides which period it is in.
CREATE VIEW ledger_entries AS
SELECT tenant, minute_start_ms AS at_ms, session_id, minute_start_ms, '' AS reason, billable_seconds, slate_seconds,
    slate_all_seconds, engine, layout, tier, games, labels FROM meter_lines
UNION ALL
SELECT tenant, hour_start_ms AS at_ms, session_id, minute_start_ms, reason, billable_seconds, slate_seconds,
    slate_all_seconds, engine, layout, tier, games, labels FROM corrections;

-- The writer never does any of this. These stand between the ledger and a mistake in it.
CREATE TRIGGER closed_lines_take_no_newcomer BEFORE INSERT ON meter_lines
WHEN NEW.minute_start_ms < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
CREATE TRIGGER closed_lines_stay BEFORE UPDATE ON meter_lines
WHEN OLD.minute_start_ms < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
CREATE TRIGGER closed_lines_are_kept BEFORE DELETE ON meter_lines
WHEN OLD.minute_start_ms < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
CREATE TRIGGER closed_corrections_take_no_newcomer BEFORE INSERT ON corrections
WHEN NEW.hour_start_ms < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
CREATE TRIGGER closed_corrections_stay BEFORE UPDATE ON corrections
WHEN OLD.hour_start_ms < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
CREATE TRIGGER closed_corrections_are_kept BEFORE DELETE ON corrections
WHEN OLD.hour_start_ms < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
