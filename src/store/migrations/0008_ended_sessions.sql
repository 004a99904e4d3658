-- Ended sessions are kept for a while and then forgotten, oldest first.

CREATE INDEX sessions_ended ON sessions (ended_ms) WHERE ended_ms IS NOT NULL;
