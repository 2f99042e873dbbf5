-- name: newest_before
-- The newest delivery that is older than a time: where a walk along the numbers of deliveries ends.
SELECT delivery_id FROM deliveries WHERE received_at < %(before)s ORDER BY received_at DESC, delivery_id DESC LIMIT 1

-- name: deliveries
-- Deliveries in the order of their numbers, with what still needs them.
SELECT delivery_id, received_at, body_encoding, body_bytes,
    EXISTS (SELECT 1 FROM grafana_alerts WHERE grafana_alerts.delivery_id = deliveries.delivery_id) AS is_named,
    body_encoding <> %(removed)s AND EXISTS (
        SELECT 1 FROM grafana_alerts JOIN incidents ON incidents.incident_id = grafana_alerts.incident_id
        WHERE grafana_alerts.delivery_id = deliveries.delivery_id AND incidents.status <> 'resolved'
    ) AS is_open
FROM deliveries
WHERE delivery_id > %(after)s AND delivery_id <= %(upto)s
ORDER BY delivery_id
LIMIT %(limit)s

-- name: remove_bodies
-- The bytes go; the digest, the length and the answer stay.
UPDATE deliveries SET body = '', body_encoding = %(removed)s WHERE delivery_id IN %(ids)s

-- name: remove_deliveries
-- Deliveries that no alert names.
DELETE FROM deliveries WHERE delivery_id IN %(ids)s

-- name: incidents
-- Incidents in the order of their numbers.
SELECT number, incident_id, incident_key, status, resolved_time, first_seen_at, alert_count,
    EXISTS (SELECT 1 FROM incident_timeline WHERE incident_timeline.incident_id = incidents.incident_id) AS has_events
FROM incidents WHERE number > %(after)s ORDER BY number LIMIT %(limit)s

-- name: lock_free_keys
-- Those of these keys that no other transaction is working on, taken in order.
SELECT incident_key FROM incident_keys WHERE incident_key IN %(keys)s ORDER BY incident_key FOR UPDATE SKIP LOCKED

-- name: over
-- Those of these incidents that are over since before a time.
SELECT number, incident_id FROM incidents
WHERE incident_id IN %(ids)s AND status = 'resolved' AND resolved_time < %(before)s

-- name: old_alerts
-- Alerts of these incidents that are older than a time, the oldest first.
SELECT alert_id, incident_id FROM grafana_alerts
WHERE incident_id IN %(ids)s AND received_at < %(before)s ORDER BY alert_id LIMIT %(limit)s

-- name: count_old_alerts
-- How many alerts of these incidents are older than a time.
SELECT COUNT(*) AS n FROM grafana_alerts WHERE incident_id IN %(ids)s AND received_at < %(before)s

-- name: remove_alerts
-- Alerts go; the trigger takes them from the counts of their incidents.
DELETE FROM grafana_alerts WHERE alert_id IN %(ids)s

-- name: count_removed_alerts
-- How many alerts of these incidents are gone.
UPDATE incidents JOIN ({rows}) AS new ON new.number = incidents.number
SET incidents.alerts_removed = incidents.alerts_removed + new.removed

-- name: timelines
-- The timelines of these incidents, each with the oldest checkpoint that covers all of it, of those that are older
-- than a time.
SELECT tails.*, (
    SELECT checkpoint_number FROM audit_checkpoints
    WHERE to_event_id >= tails.last_event_id AND audit_checkpoints.at < %(before)s
    ORDER BY to_event_id, checkpoint_number LIMIT 1
) AS checkpoint_number
FROM (
    SELECT incidents.incident_id, number, chain_length, chain_head, chain_removed, chain_base, MAX(event_id) AS last_event_id,
        COUNT(*) AS events, SUM(link IS NULL) AS unlinked
    FROM incidents JOIN incident_timeline ON incident_timeline.incident_id = incidents.incident_id
    WHERE incidents.incident_id IN %(ids)s
    GROUP BY incidents.incident_id, number, chain_length, chain_head, chain_removed, chain_base
) AS tails
ORDER BY number

-- name: leaves
-- The leaves of a checkpoint.
SELECT leaves FROM audit_checkpoints WHERE checkpoint_number = %(number)s

-- name: remove_timelines
-- The whole timelines of these incidents.
DELETE FROM incident_timeline WHERE incident_id IN %(ids)s

-- name: count_removed_events
-- How many lines of the timelines of these incidents are gone; their chains go on from where they are.
UPDATE incidents JOIN ({rows}) AS new ON new.number = incidents.number
SET incidents.timeline_removed = incidents.timeline_removed + new.removed,
    incidents.chain_removed = incidents.chain_length, incidents.chain_base = incidents.chain_head

-- name: digests
-- Digests in the order of their numbers, and whether anything still needs them.
SELECT digest_id,
    ended_at IS NULL OR ended_at >= %(before)s
    OR EXISTS (SELECT 1 FROM slack_messages WHERE slack_messages.held_by = digests.digest_id)
    OR EXISTS (
        SELECT 1 FROM digest_members JOIN incidents ON incidents.incident_id = digest_members.incident_id
        WHERE digest_members.digest_id = digests.digest_id
          AND (incidents.status <> 'resolved' OR incidents.resolved_time >= %(before)s)
    ) AS is_needed
FROM digests WHERE digest_id > %(after)s ORDER BY digest_id LIMIT %(limit)s

-- name: members
-- The first members of a digest.
SELECT incident_id FROM digest_members WHERE digest_id = %(digest_id)s ORDER BY incident_id LIMIT %(limit)s

-- name: count_members
-- How many members these digests have.
SELECT COUNT(*) AS n FROM digest_members WHERE digest_id IN %(ids)s

-- name: remove_members
-- These members of a digest.
DELETE FROM digest_members WHERE digest_id = %(digest_id)s AND incident_id IN %(ids)s

-- name: remove_digests
-- Digests whose members are gone. Their messages stay: they hang in Slack.
DELETE FROM digests WHERE digest_id IN %(ids)s
