-- Security: who sent a delivery, signatures that are good only once, and the hash chain of the timeline.
-- Each ALTER does one thing; one that is done already is passed over.

ALTER TABLE deliveries
    ADD COLUMN credential VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ''
    COMMENT 'the name of the token, user or secret that proved who sent it'
-- next

ALTER TABLE deliveries
    ADD COLUMN masked TINYINT(1) NOT NULL DEFAULT 0 COMMENT '1 if masking rules changed the body before it was kept'
-- next

ALTER TABLE deliveries
    ADD COLUMN signature BINARY(32) NULL COMMENT 'digest of a signature with a timestamp: the same one is refused'
-- next

ALTER TABLE deliveries ADD UNIQUE KEY uq_signature (signature)
-- next

ALTER TABLE incident_timeline
    ADD COLUMN chain_number INT UNSIGNED NULL COMMENT 'place in the chain of its incident, from 1; NULL: before there were chains'
-- next

ALTER TABLE incident_timeline
    ADD COLUMN link BINARY(32) NULL COMMENT 'SHA-256 over the link before and this event'
-- next

-- A second event in the same place of a chain is impossible; the check of the chains finds an event by its place.
ALTER TABLE incident_timeline ADD UNIQUE KEY uq_chain (incident_id, chain_number)
-- next

ALTER TABLE incidents
    ADD COLUMN chain_length INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'events in the chain'
-- next

ALTER TABLE incidents
    ADD COLUMN chain_head BINARY(32) NULL COMMENT 'link of the newest event'
-- next

ALTER TABLE incidents
    ADD COLUMN chain_removed INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'events at the beginning that retention removed'
-- next

ALTER TABLE incidents
    ADD COLUMN chain_base BINARY(32) NULL COMMENT 'link of the newest event that retention removed'
-- next

-- Append-only: what all chains looked like at a time, each row hashed together with the one before.
CREATE TABLE IF NOT EXISTS audit_checkpoints (
    checkpoint_number INT UNSIGNED NOT NULL COMMENT 'from 1, without a gap: two replicas never write the same one',
    at DATETIME(6) NOT NULL,
    to_event_id BIGINT UNSIGNED NOT NULL COMMENT 'the newest event it covers',
    events INT UNSIGNED NOT NULL COMMENT 'how many it covers that the one before did not',
    leaves LONGBLOB NOT NULL COMMENT 'per incident: number (8 bytes), chain_number (4), link (32)',
    previous BINARY(32) NOT NULL,
    hash BINARY(32) NOT NULL,
    PRIMARY KEY (checkpoint_number)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
