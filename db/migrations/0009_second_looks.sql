-- What may hang in Slack without belonging there: a post whose answer was lost and that was posted again, or a card that
-- had to move. Somebody looks again some minutes later and removes what is too much.
CREATE TABLE IF NOT EXISTS slack_second_looks (
    post_key CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'in the metadata of what may be there',
    channel VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'name or id, as configured',
    message_id BIGINT UNSIGNED NOT NULL COMMENT 'the message of the record that it must not double',
    ts VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'set: this very message is to go',
    since DATETIME(6) NOT NULL COMMENT 'when the post was first begun, by the clock of the database',
    due_at DATETIME(6) NOT NULL COMMENT 'not before; doubles as the lease of a worker',
    looks INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'looks that Slack answered',
    failures INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'looks in a row that Slack refused',
    PRIMARY KEY (post_key, channel),
    KEY idx_second_looks_due (due_at),
    KEY idx_second_looks_message (message_id),
    CONSTRAINT fk_look_message FOREIGN KEY (message_id) REFERENCES slack_messages (message_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
