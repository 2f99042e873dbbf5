-- The record as the first release keeps it: deliveries, alerts, incidents, instances, timeline, Slack messages.
-- All times are UTC. Texts are utf8mb4; ids and keys compare byte by byte (utf8mb4_bin).

-- One row per incident key, locked first by every transaction that changes an incident of that key: one lock order.
CREATE TABLE IF NOT EXISTS incident_keys (
    incident_key VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (incident_key)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- One HTTP request of a source: its exact bytes, and what came of it.
CREATE TABLE IF NOT EXISTS deliveries (
    delivery_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    request_id BINARY(16) NOT NULL COMMENT 'made by the receiver; makes recording a request twice impossible',
    received_at DATETIME(6) NOT NULL,
    source VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    content_type VARCHAR(255) NOT NULL,
    body LONGBLOB NOT NULL,
    body_encoding VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'identity or zlib',
    body_sha256 BINARY(32) NOT NULL COMMENT 'of the bytes as received',
    body_bytes INT UNSIGNED NOT NULL COMMENT 'length as received',
    truncated_alerts INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'alerts that the source cut off',
    problem TEXT NULL COMMENT 'why all or a part of it could not be read',
    outcome JSON NULL COMMENT 'the answer that was given',
    PRIMARY KEY (delivery_id),
    UNIQUE KEY uq_request_id (request_id),
    KEY idx_deliveries_received_at (received_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

CREATE TABLE IF NOT EXISTS incidents (
    incident_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'short number for people: /incident 42',
    incident_key VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    open_key VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
        GENERATED ALWAYS AS (CASE WHEN status <> 'resolved' THEN incident_key END) VIRTUAL
        COMMENT 'the key while open: unique, so one open incident per key',
    status ENUM('active','acknowledged','resolved') NOT NULL DEFAULT 'active',
    severity VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    severity_rank TINYINT UNSIGNED NOT NULL COMMENT '0 is the worst',
    title VARCHAR(255) NOT NULL,
    summary TEXT NOT NULL,
    rule_uid VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    phase VARCHAR(255) NOT NULL DEFAULT '',
    cluster VARCHAR(255) NOT NULL DEFAULT '',
    namespace VARCHAR(255) NOT NULL DEFAULT '',
    service VARCHAR(255) NOT NULL DEFAULT '',
    service_category VARCHAR(255) NOT NULL DEFAULT '',
    source VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    channel VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
    start_time DATETIME(6) NOT NULL COMMENT 'when it began, by the source',
    first_seen_at DATETIME(6) NOT NULL,
    last_seen_at DATETIME(6) NOT NULL,
    alert_count BIGINT NOT NULL DEFAULT 0 COMMENT 'kept by triggers',
    instances_total INT UNSIGNED NOT NULL DEFAULT 0,
    instances_firing INT UNSIGNED NOT NULL DEFAULT 0,
    blind_firing INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'instances that say the source cannot see',
    first_values VARCHAR(1000) NOT NULL DEFAULT '',
    last_values VARCHAR(1000) NOT NULL DEFAULT '',
    links JSON NOT NULL,
    owner VARCHAR(255) NULL COMMENT 'who acknowledged it',
    acknowledged_time DATETIME(6) NULL,
    resolved_time DATETIME(6) NULL,
    resolved_by VARCHAR(255) NULL,
    action_taken TEXT NULL,
    root_cause TEXT NULL,
    is_noise TINYINT(1) NOT NULL DEFAULT 0,
    last_change VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
    last_change_at DATETIME(6) NULL,
    last_change_by VARCHAR(255) NULL,
    version INT UNSIGNED NOT NULL DEFAULT 1 COMMENT 'grows with every visible change; compare-and-swap',
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (incident_id),
    UNIQUE KEY uq_number (number),
    UNIQUE KEY uq_open_key (open_key),
    KEY idx_incident_key (incident_key),
    KEY idx_status (status),
    KEY idx_last_seen_at (last_seen_at),
    KEY idx_cluster_namespace_service (cluster(64), namespace(64), service(64)),
    KEY idx_service_category (service_category(64)),
    KEY idx_incident_key_status_last_seen (incident_key, status, last_seen_at DESC),
    KEY idx_incident_key_number (incident_key, number),
    KEY idx_rule_uid_status (rule_uid, status),
    KEY idx_status_severity_number (status, severity_rank, number),
    CONSTRAINT ck_resolved_has_time CHECK ((status = 'resolved') = (resolved_time IS NOT NULL))
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- The fact log: every alert that was ever received, repeats included.
CREATE TABLE IF NOT EXISTS grafana_alerts (
    alert_id BIGINT NOT NULL AUTO_INCREMENT,
    incident_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    incident_key VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    delivery_id BIGINT UNSIGNED NULL COMMENT 'the request it came in; NULL once retention removed that',
    received_at DATETIME(6) NOT NULL,
    source VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    kind VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'normal or blind',
    state VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'firing or resolved',
    rule_uid VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    alertname VARCHAR(255) NOT NULL,
    fingerprint VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    starts_at DATETIME(6) NULL,
    ends_at DATETIME(6) NULL,
    message TEXT NOT NULL,
    labels JSON NOT NULL,
    annotations JSON NOT NULL,
    raw_payload JSON NOT NULL COMMENT 'the element of this alert; the exact bytes of the request are in deliveries',
    PRIMARY KEY (alert_id),
    KEY idx_incident_id (incident_id),
    KEY idx_incident_key_received_at (incident_key, received_at),
    KEY idx_received_at (received_at),
    KEY idx_delivery_id (delivery_id),
    CONSTRAINT fk_alert_incident FOREIGN KEY (incident_id) REFERENCES incidents (incident_id),
    CONSTRAINT fk_alert_delivery FOREIGN KEY (delivery_id) REFERENCES deliveries (delivery_id) ON DELETE SET NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- One thing that fires inside an incident, with its present state.
CREATE TABLE IF NOT EXISTS incident_instances (
    incident_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    fingerprint VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    incident_key VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    is_current TINYINT(1) NOT NULL DEFAULT 1 COMMENT '1 for the newest incident of its key that has this fingerprint',
    kind VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    state VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    starts_at DATETIME(6) NOT NULL COMMENT 'of its newest occurrence',
    ends_at DATETIME(6) NULL,
    heard_at DATETIME(6) NOT NULL COMMENT 'when its state or occurrence last changed, by our clock',
    labels JSON NOT NULL,
    first_values VARCHAR(1000) NOT NULL DEFAULT '',
    last_values VARCHAR(1000) NOT NULL DEFAULT '',
    PRIMARY KEY (incident_id, fingerprint),
    KEY idx_instances_key_fingerprint (incident_key, fingerprint, is_current),
    KEY idx_instances_fingerprint (fingerprint, is_current),
    CONSTRAINT fk_instance_incident FOREIGN KEY (incident_id) REFERENCES incidents (incident_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- Append-only: every transition with actor, reason and time.
CREATE TABLE IF NOT EXISTS incident_timeline (
    event_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    incident_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    at DATETIME(6) NOT NULL,
    kind VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    actor VARCHAR(255) NOT NULL,
    from_status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    to_status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    reason VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
    details JSON NOT NULL,
    PRIMARY KEY (event_id),
    KEY idx_timeline_incident (incident_id, event_id),
    KEY idx_timeline_at (at),
    CONSTRAINT fk_event_incident FOREIGN KEY (incident_id) REFERENCES incidents (incident_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- What Slack should show and what it shows: one row per message of ours in a channel.
CREATE TABLE IF NOT EXISTS slack_messages (
    message_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    post_key CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'in the metadata of the post: finds it again after an unclear answer',
    kind VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'card (of an incident) or test',
    incident_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    content JSON NULL COMMENT 'what a message that is not a card is about',
    channel VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'name or id, as configured',
    channel_id VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'as Slack answered',
    ts VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'set once it hangs in the channel',
    priority TINYINT UNSIGNED NOT NULL DEFAULT 2 COMMENT 'rank of the severity; 0 goes first',
    wanted_version INT UNSIGNED NOT NULL,
    shown_version INT UNSIGNED NOT NULL DEFAULT 0,
    behind TINYINT(1) GENERATED ALWAYS AS (wanted_version > shown_version) VIRTUAL,
    posting_since DATETIME(6) NULL COMMENT 'a first post was begun and its outcome is not recorded: look before posting again',
    due_at DATETIME(6) NOT NULL COMMENT 'not before; doubles as the lease of a worker',
    claimed_by VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    attempts INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'failures in a row',
    last_error VARCHAR(255) NOT NULL DEFAULT '',
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (message_id),
    UNIQUE KEY uq_post_key (post_key),
    UNIQUE KEY uq_message_incident (incident_id),
    KEY idx_messages_due (behind, due_at),
    CONSTRAINT fk_message_incident FOREIGN KEY (incident_id) REFERENCES incidents (incident_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

-- What Slack told us of itself and is good to know before it answers again: ids of the bot and of channels.
CREATE TABLE IF NOT EXISTS slack_facts (
    name VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    value JSON NOT NULL,
    learned_at DATETIME(6) NOT NULL,
    PRIMARY KEY (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
-- next

DROP TRIGGER IF EXISTS trg_prevent_duplicate_open_incident
-- next

-- The readable second line of defence; the guarantee is uq_open_key, which also sees what other transactions did not commit yet.
CREATE TRIGGER trg_prevent_duplicate_open_incident BEFORE INSERT ON incidents FOR EACH ROW
BEGIN
    IF NEW.status <> 'resolved' AND EXISTS (
        SELECT 1 FROM incidents WHERE incident_key = NEW.incident_key AND status <> 'resolved'
    ) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'uq_open_key: this incident key has an open incident already';
    END IF;
END
-- next

DROP TRIGGER IF EXISTS trg_update_alert_count_on_insert
-- next

-- +1 and -1, not COUNT(*): recounting on every insert makes a storm quadratic.
CREATE TRIGGER trg_update_alert_count_on_insert AFTER INSERT ON grafana_alerts FOR EACH ROW
    UPDATE incidents SET alert_count = alert_count + 1 WHERE incident_id = NEW.incident_id
-- next

DROP TRIGGER IF EXISTS trg_update_alert_count_on_delete
-- next

CREATE TRIGGER trg_update_alert_count_on_delete AFTER DELETE ON grafana_alerts FOR EACH ROW
    UPDATE incidents SET alert_count = alert_count - 1 WHERE incident_id = OLD.incident_id
