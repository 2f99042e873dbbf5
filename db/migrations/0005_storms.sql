-- Digests: one message for the many incidents of a storm, or for incidents that are related.

ALTER TABLE slack_messages
    ADD COLUMN queued_at DATETIME(6) NOT NULL DEFAULT '2000-01-01 00:00:00.000000'
    COMMENT 'when it was first asked for, by the clock of the database: rates are counted by it'
-- next

-- What was there before this step counts as old.
ALTER TABLE slack_messages
    MODIFY COLUMN queued_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
    COMMENT 'when it was first asked for, by the clock of the database: rates are counted by it'
-- next

ALTER TABLE slack_messages
    ADD COLUMN held_by BIGINT UNSIGNED NULL
    COMMENT 'the digest that shows the incident meanwhile: no card is posted'
-- next

ALTER TABLE slack_messages ADD KEY idx_messages_queued (kind, queued_at)
-- next

ALTER TABLE slack_messages ADD KEY idx_messages_held (held_by, priority)
-- next

-- One message for many incidents. Its times go by the clock of the database.
CREATE TABLE IF NOT EXISTS digests (
    digest_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    kind VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'storm or related',
    channel VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    rule VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'of the policy file',
    shared JSON NOT NULL COMMENT 'what its members have in common',
    at_least INT UNSIGNED NOT NULL COMMENT 'the number that was exceeded or reached',
    window_seconds INT UNSIGNED NOT NULL,
    message_id BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'in slack_messages',
    open_key CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL
        COMMENT 'while it takes members: one such digest at a time',
    since DATETIME(6) NOT NULL COMMENT 'what arrived from then on belongs to it',
    began_at DATETIME(6) NOT NULL,
    busy_at DATETIME(6) NOT NULL COMMENT 'the rate was last exceeded, or a member joined',
    scanned_at DATETIME(6) NOT NULL COMMENT 'up to then all that belongs to it is a member',
    refreshed_at DATETIME(6) NOT NULL COMMENT 'its message was last compared with its members',
    ended_at DATETIME(6) NULL,
    PRIMARY KEY (digest_id),
    UNIQUE KEY uq_digest_open (open_key),
    KEY idx_digests_ended (ended_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- Which incidents a digest shows. No foreign key to incidents: its checks would lock their rows in another order than
-- webhooks do; whoever deletes incidents deletes these rows too.
CREATE TABLE IF NOT EXISTS digest_members (
    digest_id BIGINT UNSIGNED NOT NULL,
    incident_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    joined_at DATETIME(6) NOT NULL,
    card_told TINYINT(1) NOT NULL DEFAULT 0 COMMENT 'its card, if it had one, was told to name the group',
    PRIMARY KEY (digest_id, incident_id),
    KEY idx_members_incident (incident_id),
    CONSTRAINT fk_member_digest FOREIGN KEY (digest_id) REFERENCES digests (digest_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
