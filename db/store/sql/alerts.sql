-- name: insert
-- New rows of the fact log.
INSERT INTO grafana_alerts (
    incident_id, incident_key, delivery_id, received_at, source, kind, state, rule_uid, alertname, fingerprint,
    starts_at, ends_at, message, labels, annotations, raw_payload
) VALUES (
    %(incident_id)s, %(incident_key)s, %(delivery_id)s, %(received_at)s, %(source)s, %(kind)s, %(state)s,
    %(rule_uid)s, %(alertname)s, %(fingerprint)s, %(starts_at)s, %(ends_at)s, %(message)s, %(labels)s,
    %(annotations)s, %(raw_payload)s
)

-- name: latest
-- The newest alerts of an incident.
SELECT alert_id, received_at, state, alertname, message, fingerprint FROM grafana_alerts
WHERE incident_id = %(id)s ORDER BY alert_id DESC LIMIT %(limit)s
