-- Reconciliation: which server says that an instance fires, who sends webhooks, and the looks at the sources' own lists.

ALTER TABLE incident_instances ADD COLUMN origin VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '' COMMENT 'source, address and organisation of the server that says so'
-- next

-- Who sends webhooks: reconciliation takes a live alert for ours when it is routed to one of these receivers.
CREATE TABLE IF NOT EXISTS alert_senders (
    origin VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    receiver VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'contact point',
    source VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    first_heard_at DATETIME(6) NOT NULL,
    PRIMARY KEY (origin, receiver),
    KEY idx_senders_source (source)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- One row per source whose list is looked at: whose turn it is, and what the next look has to know of the last ones.
CREATE TABLE IF NOT EXISTS source_looks (
    source VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    leased_by VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
    leased_until DATETIME(6) NOT NULL,
    due_at DATETIME(6) NOT NULL COMMENT 'not before',
    looked_at DATETIME(6) NULL,
    succeeded_at DATETIME(6) NULL,
    failures INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'in a row',
    problem VARCHAR(255) NOT NULL DEFAULT '',
    memory LONGTEXT NOT NULL COMMENT 'JSON: what is missing since when, what was live last',
    PRIMARY KEY (source)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
