-- What is remembered of a key between two requests holds for one turn of the key (`db.memory`), so whoever changes an
-- incident or an instance gives its key another one. The program does that first of all; for everybody else, somebody
-- with a client of the database for example, these triggers do. `@observer_counts` is set by sessions of the program.

DROP TRIGGER IF EXISTS trg_turn_on_incident_insert
-- next

CREATE TRIGGER trg_turn_on_incident_insert AFTER INSERT ON incidents FOR EACH ROW
    IF @observer_counts IS NULL THEN
        UPDATE incident_keys SET turn = turn + 1 WHERE incident_key = NEW.incident_key;
    END IF
-- next

DROP TRIGGER IF EXISTS trg_turn_on_incident_update
-- next

CREATE TRIGGER trg_turn_on_incident_update AFTER UPDATE ON incidents FOR EACH ROW
    IF @observer_counts IS NULL THEN
        UPDATE incident_keys SET turn = turn + 1 WHERE incident_key IN (OLD.incident_key, NEW.incident_key);
    END IF
-- next

DROP TRIGGER IF EXISTS trg_turn_on_incident_delete
-- next

CREATE TRIGGER trg_turn_on_incident_delete AFTER DELETE ON incidents FOR EACH ROW
    IF @observer_counts IS NULL THEN
        UPDATE incident_keys SET turn = turn + 1 WHERE incident_key = OLD.incident_key;
    END IF
-- next

DROP TRIGGER IF EXISTS trg_turn_on_instance_insert
-- next

CREATE TRIGGER trg_turn_on_instance_insert AFTER INSERT ON incident_instances FOR EACH ROW
    IF @observer_counts IS NULL THEN
        UPDATE incident_keys SET turn = turn + 1 WHERE incident_key = NEW.incident_key;
    END IF
-- next

DROP TRIGGER IF EXISTS trg_turn_on_instance_update
-- next

CREATE TRIGGER trg_turn_on_instance_update AFTER UPDATE ON incident_instances FOR EACH ROW
    IF @observer_counts IS NULL THEN
        UPDATE incident_keys SET turn = turn + 1 WHERE incident_key IN (OLD.incident_key, NEW.incident_key);
    END IF
-- next

DROP TRIGGER IF EXISTS trg_turn_on_instance_delete
-- next

CREATE TRIGGER trg_turn_on_instance_delete AFTER DELETE ON incident_instances FOR EACH ROW
    IF @observer_counts IS NULL THEN
        UPDATE incident_keys SET turn = turn + 1 WHERE incident_key = OLD.incident_key;
    END IF
