-- What closed hours came to, by session and what it showed, so that reports need not walk their lines. `usage verify` recounts
-- them. Costs are in ten-billionths of the currency's unit.
CREATE TABLE hour_sums (
    tenant TEXT NOT NULL,
    hour_start_ms INTEGER NOT NULL CHECK (hour_start_ms % 3600000 = 0),
    session_id TEXT NOT NULL,
    -- A session that showed several things within the hour has as many rows, in the order of their first entries.
    part INTEGER NOT NULL,
    engine TEXT NOT NULL,
    layout TEXT NOT NULL,
    tier TEXT NOT NULL,
    games TEXT NOT NULL,
    labels TEXT NOT NULL,
    first_minute_ms INTEGER NOT NULL,
    last_minute_ms INTEGER NOT NULL,
    billable_seconds INTEGER NOT NULL,
    slate_seconds INTEGER NOT NULL,
    slate_all_seconds INTEGER NOT NULL,
    -- Without what the contract leaves out.
    charged_seconds INTEGER NOT NULL,
    billed_minutes INTEGER NOT NULL,
    -- Empty where no tariff was valid.
    currency TEXT NOT NULL,
    list_cost INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour_start_ms, session_id, part)
) WITHOUT ROWID;

CREATE INDEX hour_sums_of_session ON hour_sums (tenant, session_id, hour_start_ms);

-- What a tenant's month came to by the end of an hour, and the price list that the hour was priced by.
CREATE TABLE month_marks (
    tenant TEXT NOT NULL,
    hour_start_ms INTEGER NOT NULL CHECK (hour_start_ms % 3600000 = 0),
    mark TEXT NOT NULL,
    price_list TEXT NOT NULL,
    PRIMARY KEY (tenant, hour_start_ms)
) WITHOUT ROWID;

-- Every price list that was ever in force, by the SHA-256 of its text.
CREATE TABLE price_lists (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    tariffs TEXT NOT NULL,
    -- The greatest is in force.
    registered INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

-- Hours that end by then are summed.
ALTER TABLE ledger_state ADD COLUMN summed_until_ms INTEGER NOT NULL DEFAULT 0;
