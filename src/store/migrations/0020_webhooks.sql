-- Whom operators want to be told what happens, and what is yet to be told.

CREATE TABLE webhooks (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- What it says, as JSON, with how it fared of late. No secret is in it: those are made of the deployment's.
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

-- A row for each event and each receiver that has not taken it yet.
CREATE TABLE outbox (
    -- Never given twice: what becomes of a message is noted by it.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Names the receiver: tenant/id of a webhook, tenant/threshold/amount of the configuration.
    receiver TEXT NOT NULL,
    -- Of the event, the same each time it is sent.
    id TEXT NOT NULL,
    -- What is sent, to the letter: every attempt says the same.
    body TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    -- That failed.
    attempts INTEGER NOT NULL DEFAULT 0,
    UNIQUE (receiver, id)
);

CREATE INDEX outbox_due ON outbox (receiver, due_ms, seq);
