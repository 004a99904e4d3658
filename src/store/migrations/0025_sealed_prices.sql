-- What the hour's tenants paid by, sealed with its entries: ids of price lists by tenant, as JSON. NULL where a version sealed the hour
-- that did not seal prices.
ALTER TABLE closed_hours ADD COLUMN price_lists TEXT;

-- Hours that end by then are sealed: whoever takes the last seals away leaves this.
ALTER TABLE ledger_state ADD COLUMN sealed_until_ms INTEGER NOT NULL DEFAULT 0;
UPDATE ledger_state SET sealed_until_ms = coalesce((SELECT max(hour_start_ms) + 3600000 FROM closed_hours), 0);
