-- What retention removed stays counted, so that people see the true numbers; and who does a chore of the record now.

ALTER TABLE incidents ADD COLUMN alerts_removed BIGINT NOT NULL DEFAULT 0 COMMENT 'alerts that retention removed; alert_count has the rows that are left'
-- next

ALTER TABLE incidents ADD COLUMN timeline_removed INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'lines of the timeline that retention removed'
-- next

-- Things one process at a time does to the record, such as retention: a lease by the clock of this database.
CREATE TABLE IF NOT EXISTS chores (
    name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    holder VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    until_at DATETIME(6) NOT NULL COMMENT 'the lease of the holder ends',
    state JSON NOT NULL COMMENT 'how far it is',
    PRIMARY KEY (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
