-- What was watched in each minute, and how much of it was slate. Lines that are there already keep their seconds; their sessions
-- tell the engine and the labels, nobody kept the tier.

ALTER TABLE meter_lines ADD COLUMN slate_seconds INTEGER NOT NULL DEFAULT 0
    CHECK (slate_seconds BETWEEN 0 AND billable_seconds);
ALTER TABLE meter_lines ADD COLUMN slate_all_seconds INTEGER NOT NULL DEFAULT 0
    CHECK (slate_all_seconds BETWEEN 0 AND slate_seconds);
ALTER TABLE meter_lines ADD COLUMN engine TEXT NOT NULL DEFAULT '';
ALTER TABLE meter_lines ADD COLUMN tier TEXT NOT NULL DEFAULT '';
ALTER TABLE meter_lines ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';

UPDATE meter_lines SET engine = sessions.engine, labels = sessions.labels
FROM sessions WHERE sessions.id = meter_lines.session_id;
