-- name: of_rules
-- Why these rules are blind, the first reason first.
SELECT * FROM blind_rules WHERE rule_uid IN %(rules)s ORDER BY rule_uid, since, fingerprint

-- name: add
-- Rules that went blind.
INSERT INTO blind_rules (rule_uid, fingerprint, incident_key, incident_id, source, since)
VALUES (%(rule_uid)s, %(fingerprint)s, %(incident_key)s, %(incident_id)s, %(source)s, %(since)s)
ON DUPLICATE KEY UPDATE
    incident_id = VALUES(incident_id), source = VALUES(source), since = VALUES(since)

-- name: remove
-- A blind alert that is over.
DELETE FROM blind_rules
WHERE rule_uid = %(rule_uid)s AND incident_key = %(incident_key)s AND fingerprint = %(fingerprint)s
