-- What breaks came to, by tenant, market and hour: counts by kind.
CREATE TABLE break_fill (
    tenant TEXT NOT NULL,
    market TEXT NOT NULL,
    -- When the hour begins, milliseconds of Unix time, UTC.
    hour_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (tenant, market, hour_ms, kind)
) WITHOUT ROWID, STRICT;
