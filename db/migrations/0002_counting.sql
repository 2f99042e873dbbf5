-- The application counts the alerts it records itself, once per statement: counting each row costs a third of a storm.

DROP TRIGGER IF EXISTS trg_update_alert_count_on_insert
-- next

-- Counts for everybody else; a session that sets @observer_counts says that it adds the alerts it inserts itself.
CREATE TRIGGER trg_update_alert_count_on_insert AFTER INSERT ON grafana_alerts FOR EACH ROW
    IF @observer_counts IS NULL THEN
        UPDATE incidents SET alert_count = alert_count + 1 WHERE incident_id = NEW.incident_id;
    END IF
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
