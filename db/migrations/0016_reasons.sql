-- Why an incident changed last, as its timeline says it: the card tells it.
ALTER TABLE incidents ADD COLUMN last_change_why VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ''
