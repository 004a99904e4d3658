-- Where, on what, in which markets and when a registered game may be shown, as JSON; NULL: without limits.

ALTER TABLE games ADD COLUMN rights TEXT;
