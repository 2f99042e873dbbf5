-- Blind data sources, incidents that were not heard of for long, and heartbeats.

ALTER TABLE incidents ADD COLUMN held INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'firing instances that resolved unseen'
-- next

ALTER TABLE incidents ADD COLUMN unobserved_since DATETIME(6) NULL COMMENT 'its rule is blind since then'
-- next

ALTER TABLE incidents ADD COLUMN blind_on VARCHAR(255) NOT NULL DEFAULT '' COMMENT 'the data source its rule cannot see'
-- next

ALTER TABLE incidents ADD COLUMN blind_incident VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL
-- next

ALTER TABLE incidents ADD COLUMN sight_at DATETIME(6) NULL COMMENT 'since then what is held waits to be settled'
-- next

ALTER TABLE incidents ADD COLUMN stale_since DATETIME(6) NULL COMMENT 'marked then as not heard of for long'
-- next

ALTER TABLE incidents ADD INDEX idx_unobserved_since (unobserved_since)
-- next

ALTER TABLE incidents ADD INDEX idx_sight_at (sight_at)
-- next

ALTER TABLE incidents ADD INDEX idx_status_last_seen (status, last_seen_at)
-- next

-- Rules that cannot see now, one row for each blind alert that fires.
CREATE TABLE IF NOT EXISTS blind_rules (
    rule_uid VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    fingerprint VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    incident_key VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    incident_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'of its data source',
    source VARCHAR(255) NOT NULL COMMENT 'the data source as people call it',
    since DATETIME(6) NOT NULL,
    PRIMARY KEY (rule_uid, incident_key, fingerprint),
    KEY idx_blind_key_fingerprint (incident_key, fingerprint),
    CONSTRAINT fk_blind_rule_incident FOREIGN KEY (incident_id) REFERENCES incidents (incident_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- Signs of life, by the clock of this server.
CREATE TABLE IF NOT EXISTS heartbeats (
    source VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    fingerprint VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    alertname VARCHAR(255) NOT NULL,
    labels JSON NOT NULL,
    starts_at DATETIME(6) NOT NULL COMMENT 'of its newest occurrence, by its source',
    ended TINYINT(1) NOT NULL COMMENT 'its source said "resolved"',
    heard_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    stopped_at DATETIME(6) NULL COMMENT 'heard_at when it was found to have stopped, until it is heard again',
    PRIMARY KEY (source, fingerprint)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- Blind alerts were instances of their rule's incident before: there nothing would ever resolve them.
UPDATE incident_instances JOIN incidents ON incidents.incident_id = incident_instances.incident_id
SET incident_instances.state = 'resolved', incident_instances.ends_at = UTC_TIMESTAMP(6)
WHERE incident_instances.kind = 'blind' AND incident_instances.state = 'firing'
  AND incidents.rule_uid NOT LIKE 'blind:%'
-- next

UPDATE incidents SET instances_firing = instances_firing - LEAST(blind_firing, instances_firing), blind_firing = 0
WHERE blind_firing > 0 AND rule_uid NOT LIKE 'blind:%'
