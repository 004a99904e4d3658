-- Who did what on operators' routes. Each entry's digest covers the one before it; nothing in it changes.

CREATE TABLE audit (
    tenant TEXT NOT NULL,
    -- From 1 on, without a hole.
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    -- The key's or the token's name.
    who TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (tenant, seq)
) WITHOUT ROWID;

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'what was done stays'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'what was done stays'); END;
