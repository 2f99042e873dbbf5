-- name: current
-- What is known of these fingerprints under these keys, each in the newest incident that has it.
SELECT * FROM incident_instances
WHERE incident_key IN %(keys)s AND fingerprint IN %(fingerprints)s AND is_current = 1

-- name: of_names
-- What is known of these pairs of key and fingerprint, as JSON documents; each pair is one look into the index.
SELECT JSON_OBJECT(
    'incident_id', incident_id, 'incident_key', incident_instances.incident_key,
    'fingerprint', incident_instances.fingerprint, 'kind', kind, 'state', state, 'starts_at', starts_at,
    'ends_at', ends_at, 'heard_at', heard_at, 'labels', labels, 'first_values', first_values, 'last_values', last_values,
    'origin', origin
)
FROM JSON_TABLE(%(names)s, '$[*]' COLUMNS (
    incident_key VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]',
    fingerprint VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]'
)) AS wanted
STRAIGHT_JOIN incident_instances
FORCE INDEX (idx_instances_current)
ON incident_instances.incident_key = wanted.incident_key
AND incident_instances.fingerprint = wanted.fingerprint
AND incident_instances.is_current = 1

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
    first_values, last_values, origin
) VALUES (
    %(incident_id)s, %(fingerprint)s, %(incident_key)s, %(is_current)s, %(kind)s, %(state)s, %(starts_at)s,
    %(ends_at)s, %(heard_at)s, %(labels)s, %(first_values)s, %(last_values)s, %(origin)s
)
ON DUPLICATE KEY UPDATE
    is_current = VALUES(is_current), kind = VALUES(kind), state = VALUES(state), starts_at = VALUES(starts_at),
    ends_at = VALUES(ends_at), heard_at = VALUES(heard_at), labels = VALUES(labels), last_values = VALUES(last_values),
    origin = VALUES(origin)

-- name: supersede
-- Instances whose fingerprint has moved to a newer incident of the key.
UPDATE incident_instances SET is_current = 0 WHERE incident_id = %(incident_id)s AND fingerprint IN %(fingerprints)s

-- name: firing_of_source
-- What fires in the open incidents of a source, without the labels.
SELECT incident_instances.incident_id, incident_instances.fingerprint, incident_instances.incident_key,
    incident_instances.kind, incident_instances.state, incident_instances.starts_at, incident_instances.ends_at,
    incident_instances.heard_at, NULL AS labels, '' AS first_values, '' AS last_values, incident_instances.origin,
    COALESCE(blind_rules.rule_uid, incidents.rule_uid) AS rule_uid
FROM incidents
JOIN incident_instances ON incident_instances.incident_id = incidents.incident_id
LEFT JOIN blind_rules ON blind_rules.incident_key = incident_instances.incident_key
    AND blind_rules.fingerprint = incident_instances.fingerprint
WHERE incidents.status IN ('active', 'acknowledged') AND incidents.source = %(source)s
  AND incidents.instances_firing > 0 AND incident_instances.state = 'firing' AND incident_instances.is_current = 1

-- name: of_fingerprints
-- What is known of these fingerprints under any key, without the labels.
SELECT incident_id, fingerprint, incident_key, kind, state, starts_at, ends_at, heard_at, NULL AS labels,
    '' AS first_values, '' AS last_values, origin
FROM incident_instances WHERE fingerprint IN %(fingerprints)s AND is_current = 1

-- name: recovered
-- What recovered in these incidents at `since` or later.
SELECT * FROM incident_instances
WHERE incident_id IN %(ids)s AND state = 'resolved' AND kind = 'normal' AND is_current = 1 AND heard_at >= %(since)s

-- name: held
-- What resolved in these incidents while nobody could see.
SELECT * FROM incident_instances WHERE incident_id IN %(ids)s AND state = 'firing' AND ends_at IS NOT NULL

-- name: release
-- What is held in this incident has recovered: a person said so.
UPDATE incident_instances SET state = 'resolved', heard_at = %(at)s
WHERE incident_id = %(incident_id)s AND state = 'firing' AND ends_at IS NOT NULL

-- name: blind_labels
-- The labels of the blind alerts of an incident, those that fire first.
SELECT fingerprint, state, labels FROM incident_instances
WHERE incident_id = %(id)s AND kind = 'blind' AND state = %(state)s LIMIT %(limit)s

-- name: newest_labels
-- The labels of what fired last in an incident.
SELECT labels FROM incident_instances WHERE incident_id = %(incident_id)s ORDER BY state, heard_at DESC LIMIT 1

-- name: firing
-- What fires in an incident, the longest of very many; sorted without the labels, which no sort buffer may hold.
SELECT incident_instances.* FROM (
    SELECT incident_id, fingerprint FROM incident_instances
    WHERE incident_id = %(id)s AND state = 'firing' AND kind = 'normal' ORDER BY starts_at, fingerprint LIMIT %(limit)s
) AS longest
JOIN incident_instances ON incident_instances.incident_id = longest.incident_id
    AND incident_instances.fingerprint = longest.fingerprint

-- name: elsewhere
-- How many instances of a key fire in earlier incidents of it, which people resolved.
SELECT COUNT(*) AS firing FROM incident_instances
WHERE is_current = 1 AND incident_key = %(key)s AND incident_id <> %(id)s AND state = 'firing' AND kind = 'normal'

-- name: said_of
-- What the newest alert says of an instance that fires, among the newest alerts of its incident.
SELECT message, raw_payload FROM grafana_alerts WHERE alert_id = (
    SELECT MAX(grafana_alerts.alert_id) FROM (
        SELECT alert_id FROM grafana_alerts WHERE incident_id = %(id)s ORDER BY alert_id DESC LIMIT %(looked_at)s
    ) AS newest
    JOIN grafana_alerts ON grafana_alerts.alert_id = newest.alert_id
    WHERE grafana_alerts.fingerprint = %(fingerprint)s AND grafana_alerts.state = 'firing'
)

-- name: number_of
-- The number of the incident of a data source.
SELECT number FROM incidents WHERE incident_id = %(id)s
