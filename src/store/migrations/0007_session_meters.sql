-- A booking moves on four figures of a session's row. They have a small row of their own, so that the large one is written
-- where something else changed alone. Of the two the one with the greater version is right: rows that are there already need no
-- small one until their next booking.

CREATE TABLE session_meters (
    session_id TEXT PRIMARY KEY NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    meter TEXT NOT NULL,
    last_listed INTEGER,
    last_seen_ms INTEGER NOT NULL,
    billable_seconds INTEGER NOT NULL
) WITHOUT ROWID;

-- The end of a session writes its row as a whole. (A booking that was overtaken by it may come later; it stays the older one.)
CREATE TRIGGER ended_sessions_need_no_meter AFTER UPDATE OF ended_ms ON sessions WHEN NEW.ended_ms IS NOT NULL
BEGIN DELETE FROM session_meters WHERE session_id = NEW.id AND version <= NEW.version; END;

-- Sessions as they are.
CREATE VIEW session_rows AS
SELECT s.id, s.tenant, s.token, iif(m.version > s.version, m.version, s.version) AS version, s.revision, s.layout,
    s.engine_choice, s.engine, s.games, s.audio, s.labels, s.device_id, s.splices,
    iif(m.version > s.version, m.meter, s.meter) AS meter,
    iif(m.version > s.version, m.last_listed, s.last_listed) AS last_listed, s.effective_segment, s.created_ms,
    iif(m.version > s.version, m.last_seen_ms, s.last_seen_ms) AS last_seen_ms, s.ended_ms, s.end_reason,
    iif(m.version > s.version, m.billable_seconds, s.billable_seconds) AS billable_seconds
FROM sessions s LEFT JOIN session_meters m ON m.session_id = s.id;

-- Which sessions ended long ago.
CREATE INDEX sessions_ended ON sessions (ended_ms) WHERE ended_ms IS NOT NULL;
