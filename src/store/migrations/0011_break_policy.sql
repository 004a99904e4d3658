-- What a registered game's slot shows while a break runs: 'show', 'slate', or NULL as all games do.

ALTER TABLE games ADD COLUMN break_policy TEXT;
