-- By how much later than its source claims a game's pictures are captured: for encoders whose clocks are known to be wrong.

ALTER TABLE games ADD COLUMN offset_ms INTEGER NOT NULL DEFAULT 0;
