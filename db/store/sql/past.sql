-- name: marks
-- Stored deliveries in the order of their numbers, without their bytes.
SELECT delivery_id, request_id, received_at, LENGTH(body) AS stored_bytes FROM deliveries
WHERE delivery_id > %(after)s ORDER BY delivery_id LIMIT %(limit)s

-- name: bodies
-- Stored deliveries with their bytes.
SELECT delivery_id, request_id, received_at, source, content_type, body, body_encoding FROM deliveries
WHERE delivery_id IN %(ids)s ORDER BY delivery_id

-- name: counts
-- How much there is to tell anew.
SELECT COUNT(*) AS deliveries, COALESCE(MIN(delivery_id), 0) AS first FROM deliveries

-- name: lost_alerts
-- Whether retention has removed alerts.
SELECT 1 AS found FROM incidents WHERE alerts_removed > 0 LIMIT 1

-- name: request_of
-- What a delivery is known by everywhere.
SELECT request_id FROM deliveries WHERE delivery_id = %(delivery_id)s

-- name: events
-- All timelines in the order in which their lines were written.
SELECT event_id, incident_timeline.incident_id, incident_key, at, kind, actor,
    CAST(JSON_EXTRACT(details, '$.heard') AS SIGNED) AS heard
FROM incident_timeline
JOIN incidents ON incidents.incident_id = incident_timeline.incident_id
WHERE event_id > %(after)s ORDER BY event_id LIMIT %(limit)s

-- name: deliveries_of_lines
-- Which deliveries brought alerts to these incidents at these times.
SELECT incident_id, received_at, MIN(delivery_id) AS lowest, MAX(delivery_id) AS highest FROM grafana_alerts
WHERE incident_key IN %(keys)s AND received_at IN %(times)s AND incident_id IN %(ids)s AND delivery_id IS NOT NULL
GROUP BY incident_id, received_at

-- name: deliveries_around
-- The deliveries of two alerts of an incident, after so many others.
SELECT delivery_id FROM grafana_alerts FORCE INDEX (idx_incident_id)
WHERE incident_id = %(incident_id)s AND delivery_id IS NOT NULL ORDER BY alert_id LIMIT 2 OFFSET %(skip)s

-- name: notes
-- What people wrote about these incidents.
SELECT incident_id, root_cause, action_taken FROM incidents WHERE incident_id IN %(ids)s

-- name: latest_alert
-- The newest alert that an incident had once a delivery was recorded.
SELECT request_id, fingerprint FROM grafana_alerts FORCE INDEX (idx_incident_id)
JOIN deliveries ON deliveries.delivery_id = grafana_alerts.delivery_id
WHERE incident_id = %(incident_id)s AND grafana_alerts.delivery_id <= %(upto)s ORDER BY alert_id DESC LIMIT 1

-- name: numbers
-- The numbers of some incidents.
SELECT incident_id, number FROM incidents WHERE incident_id IN %(ids)s

-- name: highest_number
-- How many incidents there are, and the highest number of one.
SELECT COUNT(*) AS total, COALESCE(MAX(number), 0) AS highest FROM incidents

-- name: set_aside
-- The numbers of some incidents make room for others.
UPDATE incidents SET number = number + %(far)s WHERE number < %(far)s ORDER BY number LIMIT %(limit)s

-- name: renumber
-- Incidents get the numbers that people know them by.
UPDATE incidents JOIN ({rows}) AS new ON new.number = incidents.number SET incidents.number = new.known

-- name: next_number
-- The number of the next incident.
ALTER TABLE incidents AUTO_INCREMENT = %(next)s

-- name: incident_of_alert
-- The incident that an alert of a request belongs to.
SELECT incident_id FROM deliveries JOIN grafana_alerts ON grafana_alerts.delivery_id = deliveries.delivery_id
WHERE request_id = %(request_id)s AND fingerprint = %(fingerprint)s ORDER BY alert_id DESC LIMIT 1

-- name: alerts_of
-- Which incidents the alerts of some deliveries belong to.
SELECT delivery_id, fingerprint, incident_id FROM grafana_alerts WHERE delivery_id IN %(ids)s ORDER BY alert_id

-- name: has_event
-- Whether a timeline has this line.
SELECT 1 AS found FROM incident_timeline
WHERE incident_id = %(incident_id)s AND at = %(at)s AND kind = %(kind)s AND actor = %(actor)s LIMIT 1

-- name: messages
-- Messages in the order of their numbers, with the state of what they are about.
SELECT message_id, slack_messages.incident_id, status FROM slack_messages
LEFT JOIN incidents ON incidents.incident_id = slack_messages.incident_id
WHERE message_id > %(after)s ORDER BY message_id LIMIT %(limit)s

-- name: cards
-- The cards of these incidents where Slack has them, or may have them.
SELECT incident_id, post_key, channel, channel_id, ts, posting_since, content, behind FROM slack_messages
WHERE incident_id IN %(ids)s AND (ts IS NOT NULL OR posting_since IS NOT NULL)

-- name: silence
-- Messages about which nobody is told any more.
UPDATE slack_messages SET shown_version = GREATEST(shown_version, wanted_version) WHERE message_id IN %(ids)s

-- name: tell_now
-- Messages that wait are due from now on, however old what they tell is.
UPDATE slack_messages SET due_at = UTC_TIMESTAMP(6) WHERE message_id IN %(ids)s

-- name: adopt
-- A card is the message that hangs in Slack already.
UPDATE slack_messages
SET post_key = %(post_key)s, channel = %(channel)s, channel_id = %(channel_id)s, ts = %(ts)s,
    posting_since = %(posting_since)s, content = %(content)s,
    shown_version = CASE WHEN %(is_behind)s THEN 0 ELSE wanted_version END
WHERE message_id = %(message_id)s
