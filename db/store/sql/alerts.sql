-- name: insert
-- New rows of the fact log, written by `db.store.alerts` in this order; the contents are the values from source to
-- raw_payload.
INSERT INTO grafana_alerts (
    incident_id, incident_key, delivery_id, received_at, source, kind, state, rule_uid, alertname, fingerprint,
    starts_at, ends_at, message, labels, annotations, raw_payload
) VALUES (
    %(incident_id)s, %(incident_key)s, %(delivery_id)s, %(received_at)s, %(contents)s
)

-- name: latest
-- The newest alerts of an incident.
SELECT alert_id, received_at, state, alertname, message, fingerprint FROM grafana_alerts
WHERE incident_id = %(id)s ORDER BY alert_id DESC LIMIT %(limit)s
