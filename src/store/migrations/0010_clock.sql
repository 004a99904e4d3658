-- What time had come to, so that the next process knows whether its clock is behind or far ahead of the last one's.

CREATE TABLE clock_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- The last that a process noted.
    known_ms INTEGER NOT NULL,
    -- The last of them that its clock was beyond doubt at.
    sure_ms INTEGER NOT NULL,
    -- How often time has gone back: what is named after a segment's number is named after this too.
    era INTEGER NOT NULL CHECK (era >= 0)
);
INSERT INTO clock_state VALUES (1, 0, 0, 0);
