-- Breaks that operators began by hand: sources say theirs again after a restart, and nobody says these.

CREATE TABLE breaks_by_hand (
    -- Its key, which has its tenant in it where one registered it.
    game TEXT NOT NULL,
    -- As its operator named it, or as it was named for them.
    name TEXT NOT NULL,
    -- Nanoseconds of Unix time.
    starts_ns INTEGER NOT NULL,
    planned_ns INTEGER,
    -- Where it was ended by hand.
    ends_ns INTEGER,
    PRIMARY KEY (game, name, starts_ns)
) WITHOUT ROWID;
