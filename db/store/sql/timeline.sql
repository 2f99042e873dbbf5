-- name: append
-- New lines of timelines.
INSERT INTO incident_timeline (
    incident_id, at, kind, actor, from_status, to_status, reason, details, chain_number, link
) VALUES (
    %(incident_id)s, %(at)s, %(kind)s, %(actor)s, %(from_status)s, %(to_status)s, %(reason)s, %(details)s,
    %(chain_number)s, %(link)s
)

-- name: latest
-- The newest lines of a timeline.
SELECT * FROM incident_timeline WHERE incident_id = %(id)s ORDER BY event_id DESC LIMIT %(limit)s

-- name: of_incidents
-- The whole timelines of some incidents.
SELECT * FROM incident_timeline WHERE incident_id IN %(ids)s ORDER BY event_id
