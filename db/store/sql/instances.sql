-- name: current
-- What is known of these fingerprints under these keys, each in the newest incident that has it.
SELECT * FROM incident_instances
WHERE incident_key IN %(keys)s AND fingerprint IN %(fingerprints)s AND is_current = 1

-- name: of_incidents
-- What is known of these fingerprints in these incidents.
SELECT * FROM incident_instances WHERE incident_id IN %(ids)s AND fingerprint IN %(fingerprints)s

-- name: of_rules
-- What is known of these fingerprints in any incident of these rules.
SELECT incident_instances.*, incidents.number AS incident_number FROM incident_instances
JOIN incidents ON incidents.incident_id = incident_instances.incident_id
WHERE incident_instances.fingerprint IN %(fingerprints)s AND incident_instances.is_current = 1
  AND incidents.rule_uid IN %(rules)s

-- name: write
-- New instances, and new states of known ones.
INSERT INTO incident_instances (
    incident_id, fingerprint, incident_key, is_current, kind, state, starts_at, ends_at, heard_at, labels,
    first_values, last_values
) VALUES (
    %(incident_id)s, %(fingerprint)s, %(incident_key)s, %(is_current)s, %(kind)s, %(state)s, %(starts_at)s,
    %(ends_at)s, %(heard_at)s, %(labels)s, %(first_values)s, %(last_values)s
)
ON DUPLICATE KEY UPDATE
    is_current = VALUES(is_current), kind = VALUES(kind), state = VALUES(state), starts_at = VALUES(starts_at),
    ends_at = VALUES(ends_at), heard_at = VALUES(heard_at), labels = VALUES(labels), last_values = VALUES(last_values)

-- name: supersede
-- Instances whose fingerprint has moved to a newer incident of the key.
UPDATE incident_instances SET is_current = 0 WHERE incident_id = %(incident_id)s AND fingerprint IN %(fingerprints)s
