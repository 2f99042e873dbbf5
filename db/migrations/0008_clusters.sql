-- What clusters need. Row locks do not cross their nodes; two transactions are compared at COMMIT by the rows they changed.

-- Grows with every transaction that changes an incident of the key, so that two of them never both commit on two nodes.
ALTER TABLE incident_keys ADD COLUMN turn BIGINT UNSIGNED NOT NULL DEFAULT 0
-- next

-- Group Replication with several writers takes no table whose foreign keys act by themselves (ON DELETE SET NULL, CASCADE):
-- who removes a row lets go of the others first. Without the checks no table is copied; the rows keep to the keys already.
SET SESSION foreign_key_checks = 0
-- next

ALTER TABLE grafana_alerts DROP FOREIGN KEY fk_alert_delivery
-- next

ALTER TABLE grafana_alerts ADD CONSTRAINT fk_alert_delivery FOREIGN KEY (delivery_id) REFERENCES deliveries (delivery_id)
-- next

SET SESSION foreign_key_checks = 1
