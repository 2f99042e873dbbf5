-- What retention removes from timelines is recorded in a chain of its own; and what the audit trail has to take for
-- granted is counted once, so that nothing can be added to it later.

-- Append-only: one row for each timeline that retention removed, each hashed together with the one before.
CREATE TABLE IF NOT EXISTS audit_removals (
    removal_number INT UNSIGNED NOT NULL COMMENT 'from 1, without a gap',
    at DATETIME(6) NOT NULL,
    before_at DATETIME(6) NULL COMMENT 'what was resolved earlier went, by the policy of then; NULL: from before this table',
    incident_number BIGINT UNSIGNED NOT NULL,
    first_number INT UNSIGNED NOT NULL COMMENT 'first place of the chain that went',
    last_number INT UNSIGNED NOT NULL COMMENT 'last place of the chain that went',
    unlinked INT UNSIGNED NOT NULL COMMENT 'events without a link that went, too',
    last_link BINARY(32) NULL COMMENT 'link of the last event that went',
    last_event_id BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'the newest event that went',
    checkpoint_number INT UNSIGNED NULL COMMENT 'the checkpoint that has this link',
    hash BINARY(32) NULL COMMENT 'NULL: from before this table',
    PRIMARY KEY (removal_number),
    KEY idx_removals_incident (incident_number),
    KEY idx_removals_event (last_event_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- At most one row, written here and never again; a new record has zeros in it.
CREATE TABLE IF NOT EXISTS audit_origin (
    one TINYINT UNSIGNED NOT NULL,
    at DATETIME(6) NOT NULL,
    last_event_id BIGINT UNSIGNED NOT NULL COMMENT 'the newest event, there or covered by a checkpoint: later ones carry the digest of notes',
    last_unlinked_id BIGINT UNSIGNED NOT NULL COMMENT 'the newest event without a link',
    unlinked INT UNSIGNED NOT NULL COMMENT 'events without a link: there will never be more',
    removals INT UNSIGNED NOT NULL COMMENT 'rows of audit_removals without a hash: the first ones',
    PRIMARY KEY (one)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

INSERT IGNORE INTO audit_removals (
    removal_number, at, before_at, incident_number, first_number, last_number, unlinked, last_link, checkpoint_number, hash
)
SELECT ROW_NUMBER() OVER (ORDER BY number), UTC_TIMESTAMP(6), NULL, number, 1, chain_removed, 0, chain_base, NULL, NULL
FROM incidents
WHERE (chain_removed > 0 OR timeline_removed > 0) AND NOT EXISTS (SELECT 1 FROM audit_removals AS earlier)
-- next

INSERT IGNORE INTO audit_origin (one, at, last_event_id, last_unlinked_id, unlinked, removals)
SELECT 1, UTC_TIMESTAMP(6),
    GREATEST(
        (SELECT COALESCE(MAX(event_id), 0) FROM incident_timeline),
        (SELECT COALESCE(MAX(to_event_id), 0) FROM audit_checkpoints)
    ),
    (SELECT COALESCE(MAX(event_id), 0) FROM incident_timeline WHERE link IS NULL),
    (SELECT COUNT(*) FROM incident_timeline WHERE link IS NULL),
    (SELECT COUNT(*) FROM audit_removals)
-- next

-- Which checkpoint covers an event, and which one is the newest.
ALTER TABLE audit_checkpoints ADD KEY idx_checkpoints_event (to_event_id)
-- next

ALTER TABLE audit_checkpoints ADD KEY idx_checkpoints_at (at)
