-- name: span_incidents
-- Where the next window of incidents ends, and how many are in it.
SELECT MAX(id) AS upto, COUNT(*) AS looked
FROM (SELECT number AS id FROM incidents WHERE number > %(after)s ORDER BY number LIMIT %(limit)s) AS span

-- name: span_keys
-- Where the next window of keys ends, and how many are in it.
SELECT MAX(id) AS upto, COUNT(*) AS looked
FROM (
    SELECT DISTINCT incident_key AS id FROM incidents WHERE incident_key > %(after)s
    ORDER BY incident_key LIMIT %(limit)s
) AS span

-- name: span_alerts
-- Where the next window of alerts ends, and how many are in it.
SELECT MAX(id) AS upto, COUNT(*) AS looked
FROM (SELECT alert_id AS id FROM grafana_alerts WHERE alert_id > %(after)s ORDER BY alert_id LIMIT %(limit)s) AS span

-- name: span_instances
-- Where the next window of instances ends, by the incidents they are in, and how many are in it.
SELECT MAX(id) AS upto, COUNT(*) AS looked
FROM (
    SELECT incident_id AS id FROM incident_instances WHERE incident_id > %(after)s
    ORDER BY incident_id LIMIT %(limit)s
) AS span

-- name: span_events
-- Where the next window of lines of timelines ends, and how many are in it.
SELECT MAX(id) AS upto, COUNT(*) AS looked
FROM (SELECT event_id AS id FROM incident_timeline WHERE event_id > %(after)s ORDER BY event_id LIMIT %(limit)s) AS span

-- name: span_messages
-- Where the next window of messages ends, and how many are in it.
SELECT MAX(id) AS upto, COUNT(*) AS looked
FROM (
    SELECT message_id AS id FROM slack_messages WHERE message_id > %(after)s ORDER BY message_id LIMIT %(limit)s
) AS span

-- name: span_deliveries
-- Where the next window of deliveries ends, and how many are in it.
SELECT MAX(id) AS upto, COUNT(*) AS looked
FROM (
    SELECT delivery_id AS id FROM deliveries WHERE delivery_id > %(after)s ORDER BY delivery_id LIMIT %(limit)s
) AS span

-- name: span_digests
-- Where the next window of digests ends, and how many are in it.
SELECT MAX(id) AS upto, COUNT(*) AS looked
FROM (SELECT digest_id AS id FROM digests WHERE digest_id > %(after)s ORDER BY digest_id LIMIT %(limit)s) AS span

-- name: span_members
-- Where the next window of members ends, by the digests they are in, and how many are in it.
SELECT MAX(id) AS upto, COUNT(*) AS looked
FROM (SELECT digest_id AS id FROM digest_members WHERE digest_id > %(after)s ORDER BY digest_id LIMIT %(limit)s) AS span

-- name: alert_count
-- Incidents whose count of alerts is not that of their rows.
SELECT number AS id, incident_id AS name, incident_key, alert_count AS found, expected FROM (
    SELECT number, incident_id, incident_key, alert_count,
        (SELECT COUNT(*) FROM grafana_alerts WHERE grafana_alerts.incident_id = incidents.incident_id) AS expected
    FROM incidents WHERE number > %(after)s AND number <= %(upto)s
) AS counted
WHERE alert_count <> expected

-- name: without_alert
-- Incidents that have no alert, and never lost one to retention.
SELECT number AS id, incident_id AS name, incident_key, 0 AS found, 'at least 1' AS expected FROM incidents
WHERE number > %(after)s AND number <= %(upto)s AND alerts_removed = 0
  AND NOT EXISTS (SELECT 1 FROM grafana_alerts WHERE grafana_alerts.incident_id = incidents.incident_id)

-- name: instance_counts
-- Incidents whose counts of instances (all, firing, blind) are not those of their rows.
SELECT number AS id, incident_id AS name, incident_key,
    CONCAT_WS('/', instances_total, instances_firing, blind_firing) AS found,
    CONCAT_WS('/', total, firing, blind) AS expected
FROM (
    SELECT number, incidents.incident_id, incidents.incident_key, instances_total, instances_firing, blind_firing,
        COUNT(incident_instances.incident_id) AS total,
        COALESCE(SUM(incident_instances.state = 'firing'), 0) AS firing,
        COALESCE(SUM(incident_instances.state = 'firing' AND incident_instances.kind = 'blind'), 0) AS blind
    FROM incidents
    LEFT JOIN incident_instances ON incident_instances.incident_id = incidents.incident_id
    WHERE number > %(after)s AND number <= %(upto)s
    GROUP BY number, incidents.incident_id, incidents.incident_key, instances_total, instances_firing, blind_firing
) AS counted
WHERE instances_total <> total OR instances_firing <> firing OR blind_firing <> blind

-- name: resolved_time
-- Incidents that are over without a time, or have a time and are not over.
SELECT number AS id, incident_id AS name, incident_key, status AS found,
    CASE WHEN resolved_time IS NULL THEN 'a time, or open' ELSE 'resolved' END AS expected
FROM incidents
WHERE number > %(after)s AND number <= %(upto)s AND (status = 'resolved') <> (resolved_time IS NOT NULL)

-- name: last_transition
-- Incidents whose status is not where the last transition of their timeline led.
SELECT number AS id, incident_id AS name, incident_key, status AS found, COALESCE(led_to, 'a transition') AS expected
FROM (
    SELECT number, incident_id, incident_key, status, EXISTS (
        SELECT 1 FROM audit_removals WHERE audit_removals.incident_number = incidents.number
    ) AS is_removed, (
        SELECT to_status FROM incident_timeline
        WHERE incident_timeline.incident_id = incidents.incident_id AND to_status IS NOT NULL
        ORDER BY event_id DESC LIMIT 1
    ) AS led_to
    FROM incidents WHERE number > %(after)s AND number <= %(upto)s
) AS last
WHERE (led_to IS NULL AND is_removed = 0) OR CONCAT('', led_to) <> CONCAT('', status)

-- name: owner
-- Incidents whose owner, or the time since when they have one, is not that of the last event about it.
SELECT number AS id, seen.incident_id AS name, incident_key,
    CONCAT_WS(' since ', COALESCE(owner, 'nobody'), acknowledged_time) AS found,
    CASE WHEN line.kind = 'acknowledged' THEN CONCAT(line.actor, ' since ', line.at) ELSE 'nobody' END AS expected
FROM (
    SELECT number, incident_id, incident_key, owner, acknowledged_time, (
        SELECT event_id FROM incident_timeline
        WHERE incident_timeline.incident_id = incidents.incident_id
          AND kind IN ('acknowledged', 'unacknowledged', 'reopened')
        ORDER BY event_id DESC LIMIT 1
    ) AS last_event
    FROM incidents WHERE number > %(after)s AND number <= %(upto)s
) AS seen
LEFT JOIN incident_timeline AS line ON line.event_id = last_event
WHERE CASE
    WHEN last_event IS NULL AND EXISTS (SELECT 1 FROM audit_removals WHERE incident_number = number) THEN 0
    WHEN line.kind = 'acknowledged'
        THEN NOT (CAST(owner AS BINARY) <=> CAST(line.actor AS BINARY) AND acknowledged_time <=> line.at)
    ELSE owner IS NOT NULL OR acknowledged_time IS NOT NULL
END

-- name: resolved_by
-- Incidents that somebody else resolved, or at another time, than the last transition says. What was heard of only once
-- it was over ended when its source says.
SELECT number AS id, seen.incident_id AS name, incident_key,
    CONCAT_WS(' at ', COALESCE(resolved_by, 'nobody'), resolved_time) AS found,
    CASE WHEN line.to_status = 'resolved' THEN CONCAT(line.actor, ' at ', line.at) ELSE 'nobody' END AS expected
FROM (
    SELECT number, incident_id, incident_key, resolved_by, resolved_time, (
        SELECT event_id FROM incident_timeline
        WHERE incident_timeline.incident_id = incidents.incident_id AND to_status IS NOT NULL
        ORDER BY event_id DESC LIMIT 1
    ) AS last_event
    FROM incidents WHERE number > %(after)s AND number <= %(upto)s
) AS seen
JOIN incident_timeline AS line ON line.event_id = last_event
WHERE CASE
    WHEN line.to_status = 'resolved' THEN NOT (
        CAST(resolved_by AS BINARY) <=> CAST(line.actor AS BINARY)
        AND (resolved_time <=> line.at OR (line.reason = 'resolved_unseen' AND resolved_time <= line.at))
    )
    ELSE resolved_by IS NOT NULL
END

-- name: severity
-- Incidents with another severity than the last event that says one.
SELECT number AS id, incident_id AS name, incident_key, severity AS found, said AS expected FROM (
    SELECT number, incident_id, incident_key, severity, (
        SELECT JSON_UNQUOTE(JSON_EXTRACT(details, '$.severity')) FROM incident_timeline
        WHERE incident_timeline.incident_id = incidents.incident_id
          AND kind IN ('opened', 'reopened', 'severity_raised') AND JSON_EXTRACT(details, '$.severity') IS NOT NULL
        ORDER BY event_id DESC LIMIT 1
    ) AS said
    FROM incidents WHERE number > %(after)s AND number <= %(upto)s
) AS seen
WHERE CAST(severity AS BINARY) <> CAST(said AS BINARY)

-- name: notes
-- Incidents whose notes are not those of which the last event about them has the digest. Incidents that are older than
-- these digests may have notes without one.
SELECT number AS id, incident_id AS name, incident_key,
    CASE WHEN written THEN 'other notes' ELSE 'no notes' END AS found,
    CASE WHEN said IS NULL THEN 'none' ELSE 'those of the timeline' END AS expected
FROM (
    SELECT number, incident_id, incident_key, root_cause IS NOT NULL OR action_taken IS NOT NULL AS written,
        SHA2(
            CONCAT(
                CHAR_LENGTH(COALESCE(root_cause, '')), ':', COALESCE(root_cause, ''), COALESCE(action_taken, '')
            ), 256
        ) AS digest,
        (
            SELECT JSON_UNQUOTE(JSON_EXTRACT(details, '$.notes')) FROM incident_timeline
            WHERE incident_timeline.incident_id = incidents.incident_id AND kind IN ('resolved', 'noted')
              AND JSON_EXTRACT(details, '$.notes') IS NOT NULL
            ORDER BY event_id DESC LIMIT 1
        ) AS said,
        (
            SELECT MIN(event_id) FROM incident_timeline WHERE incident_timeline.incident_id = incidents.incident_id
        ) AS first_event
    FROM incidents WHERE number > %(after)s AND number <= %(upto)s
) AS seen
WHERE CASE
    WHEN said IS NOT NULL THEN CAST(said AS BINARY) <> CAST(digest AS BINARY)
    ELSE written AND first_event > COALESCE((SELECT last_event_id FROM audit_origin WHERE one = 1), 0)
        AND NOT EXISTS (SELECT 1 FROM audit_removals WHERE incident_number = number)
END

-- name: key_rows
-- Incidents whose key has no row to lock.
SELECT number AS id, incident_id AS name, incident_key, 'no row' AS found, incident_key AS expected FROM incidents
WHERE number > %(after)s AND number <= %(upto)s
  AND NOT EXISTS (SELECT 1 FROM incident_keys WHERE incident_keys.incident_key = incidents.incident_key)

-- name: severity_rank
-- Incidents whose rank is not that of their severity.
SELECT number AS id, incident_id AS name, incident_key, severity_rank AS found, severity AS expected FROM incidents
WHERE number > %(after)s AND number <= %(upto)s
  AND CAST(severity_rank AS SIGNED) <> FIELD(severity, 'critical', 'high', 'warning', 'info') - 1

-- name: numbers
-- Numbers that several incidents have.
SELECT number AS id, MIN(incident_id) AS name, MIN(incident_key) AS incident_key, COUNT(*) AS found, 1 AS expected
FROM incidents WHERE number > %(after)s AND number <= %(upto)s GROUP BY number HAVING COUNT(*) > 1

-- name: card_wanted
-- Open incidents with a channel that have no card; one that a digest holds is there, and waits.
SELECT number AS id, incident_id AS name, incident_key, 'no card' AS found, channel AS expected FROM incidents
WHERE number > %(after)s AND number <= %(upto)s AND status <> 'resolved' AND channel <> ''
  AND NOT EXISTS (SELECT 1 FROM slack_messages WHERE slack_messages.incident_id = incidents.incident_id)

-- name: card_version
-- Incidents whose card is to show another version than theirs.
SELECT number AS id, incidents.incident_id AS name, incident_key, wanted_version AS found, version AS expected
FROM incidents JOIN slack_messages ON slack_messages.incident_id = incidents.incident_id
WHERE number > %(after)s AND number <= %(upto)s AND wanted_version <> version

-- name: one_open
-- Keys with several open incidents.
SELECT incident_key AS id, MAX(incident_id) AS name, incident_key, COUNT(*) AS found, 1 AS expected FROM incidents
WHERE incident_key > %(after)s AND incident_key <= %(upto)s AND status <> 'resolved'
GROUP BY incident_key HAVING COUNT(*) > 1

-- name: is_current
-- Fingerprints of which not exactly one instance of a key is the newest.
SELECT incident_key AS id, fingerprint AS name, incident_key, SUM(is_current) AS found, 1 AS expected
FROM incident_instances
WHERE incident_key > %(after)s AND incident_key <= %(upto)s
GROUP BY incident_key, fingerprint HAVING SUM(is_current) <> 1

-- name: alert_incident
-- Alerts whose incident is not there, or is one of another key.
SELECT alert_id AS id, alert_id AS name, grafana_alerts.incident_key, COALESCE(incidents.incident_key, 'none') AS found,
    grafana_alerts.incident_id AS expected
FROM grafana_alerts LEFT JOIN incidents ON incidents.incident_id = grafana_alerts.incident_id
WHERE alert_id > %(after)s AND alert_id <= %(upto)s
  AND (incidents.incident_id IS NULL OR incidents.incident_key <> grafana_alerts.incident_key)

-- name: alert_delivery
-- Alerts whose delivery is not there.
SELECT alert_id AS id, alert_id AS name, incident_key, 'none' AS found, grafana_alerts.delivery_id AS expected
FROM grafana_alerts LEFT JOIN deliveries ON deliveries.delivery_id = grafana_alerts.delivery_id
WHERE alert_id > %(after)s AND alert_id <= %(upto)s AND deliveries.delivery_id IS NULL

-- name: instance_incident
-- Instances whose incident is not there, or is one of another key.
SELECT incident_instances.incident_id AS id, fingerprint AS name, incident_instances.incident_key,
    COALESCE(incidents.incident_key, 'none') AS found, incident_instances.incident_id AS expected
FROM incident_instances LEFT JOIN incidents ON incidents.incident_id = incident_instances.incident_id
WHERE incident_instances.incident_id > %(after)s AND incident_instances.incident_id <= %(upto)s
  AND (incidents.incident_id IS NULL OR incidents.incident_key <> incident_instances.incident_key)

-- name: event_incident
-- Lines of timelines whose incident is not there.
SELECT event_id AS id, event_id AS name, '' AS incident_key, 'none' AS found, incident_timeline.incident_id AS expected
FROM incident_timeline LEFT JOIN incidents ON incidents.incident_id = incident_timeline.incident_id
WHERE event_id > %(after)s AND event_id <= %(upto)s AND incidents.incident_id IS NULL

-- name: message_incident
-- Messages whose incident is not there.
SELECT message_id AS id, message_id AS name, '' AS incident_key, 'none' AS found,
    slack_messages.incident_id AS expected
FROM slack_messages LEFT JOIN incidents ON incidents.incident_id = slack_messages.incident_id
WHERE message_id > %(after)s AND message_id <= %(upto)s
  AND slack_messages.incident_id IS NOT NULL AND incidents.incident_id IS NULL

-- name: shown_version
-- Messages that show a version nobody wanted yet.
SELECT message_id AS id, COALESCE(slack_messages.incident_id, message_id) AS name,
    COALESCE(incident_key, '') AS incident_key, shown_version AS found, wanted_version AS expected
FROM slack_messages LEFT JOIN incidents ON incidents.incident_id = slack_messages.incident_id
WHERE message_id > %(after)s AND message_id <= %(upto)s AND shown_version > wanted_version

-- name: card_held
-- Cards that wait for ever: for a digest that ended or is not there, or for none at all.
SELECT slack_messages.message_id AS id, slack_messages.incident_id AS name, COALESCE(incident_key, '') AS incident_key,
    CASE
        WHEN held_by IS NULL THEN 'waiting for nothing'
        WHEN digest_id IS NULL THEN CONCAT('held by digest ', held_by, ', which is not there')
        ELSE CONCAT('held by digest ', held_by, ', which is over')
    END AS found,
    'a card that is posted' AS expected
FROM slack_messages
LEFT JOIN incidents ON incidents.incident_id = slack_messages.incident_id
LEFT JOIN digests ON digests.digest_id = slack_messages.held_by
WHERE slack_messages.message_id > %(after)s AND slack_messages.message_id <= %(upto)s
  AND slack_messages.incident_id IS NOT NULL
  AND (
    (held_by IS NULL AND due_at >= '9000-01-01' AND behind = 1)
    OR (held_by IS NOT NULL AND digest_id IS NULL)
    OR ended_at < UTC_TIMESTAMP(6) - INTERVAL %(minutes)s MINUTE
  )

-- name: behind
-- Messages that have been behind for long: nobody works on them, or they fail again and again. How long is not kept;
-- what is wanted changes with an event or, where only values change, with an alert. Those that a digest holds may wait.
SELECT message_id AS id, COALESCE(slack_messages.incident_id, message_id) AS name,
    COALESCE(incident_key, '') AS incident_key,
    CONCAT('version ', shown_version, CASE WHEN last_error = '' THEN '' ELSE CONCAT(', ', last_error) END) AS found,
    CONCAT('version ', wanted_version) AS expected
FROM slack_messages LEFT JOIN incidents ON incidents.incident_id = slack_messages.incident_id
WHERE message_id > %(after)s AND message_id <= %(upto)s AND behind = 1 AND held_by IS NULL
  AND slack_messages.created_at < UTC_TIMESTAMP(6) - INTERVAL %(minutes)s MINUTE
  AND COALESCE(last_change_at, slack_messages.created_at) < UTC_TIMESTAMP(6) - INTERVAL %(minutes)s MINUTE
  AND (
    attempts > 0
    OR (
        due_at < UTC_TIMESTAMP(6) - INTERVAL %(minutes)s MINUTE
        AND COALESCE(last_seen_at, slack_messages.created_at) < UTC_TIMESTAMP(6) - INTERVAL %(minutes)s MINUTE
    )
  )

-- name: delivery_alerts
-- Deliveries whose answer named another number of alerts than the record has of them.
SELECT delivery_id AS id, delivery_id AS name, '' AS incident_key, found, expected FROM (
    SELECT delivery_id, CAST(JSON_EXTRACT(outcome, '$.alerts.recorded') AS SIGNED) AS expected,
        (SELECT COUNT(*) FROM grafana_alerts WHERE grafana_alerts.delivery_id = deliveries.delivery_id) AS found
    FROM deliveries WHERE delivery_id > %(after)s AND delivery_id <= %(upto)s AND outcome IS NOT NULL
) AS counted
WHERE found <> expected

-- name: delivery_outcome
-- Deliveries of which neither an answer nor a problem is known.
SELECT delivery_id AS id, delivery_id AS name, '' AS incident_key, 'neither' AS found,
    'an outcome or a problem' AS expected
FROM deliveries
WHERE delivery_id > %(after)s AND delivery_id <= %(upto)s AND outcome IS NULL AND problem IS NULL

-- name: lost_alerts
-- Whether retention has removed alerts.
SELECT 1 AS found FROM incidents WHERE alerts_removed > 0 LIMIT 1

-- name: lock
-- Take the row of one key, so that nobody changes its incidents meanwhile.
SELECT incident_key FROM incident_keys WHERE incident_key = %(key)s FOR UPDATE

-- name: bodies
-- The bytes of some deliveries, and what they were.
SELECT delivery_id, body, body_encoding, body_sha256, body_bytes FROM deliveries WHERE delivery_id IN %(ids)s

-- name: sizes
-- How large the bodies in a window are.
SELECT delivery_id, LENGTH(body) AS stored_bytes FROM deliveries
WHERE delivery_id > %(after)s ORDER BY delivery_id LIMIT %(limit)s

-- name: last_delivery
-- The highest number of a delivery.
SELECT COALESCE(MAX(delivery_id), 0) AS last FROM deliveries

-- name: triggers
-- The triggers that are there.
SELECT trigger_name AS name FROM information_schema.triggers WHERE trigger_schema = DATABASE()

-- name: may_see_triggers
-- The right without which the triggers are hidden, if the account has it here.
SELECT 1 AS found FROM information_schema.user_privileges WHERE privilege_type = 'TRIGGER'
UNION ALL
SELECT 1 FROM information_schema.schema_privileges
WHERE privilege_type = 'TRIGGER' AND DATABASE() LIKE table_schema
LIMIT 1

-- name: unique_keys
-- The unique keys that are there.
SELECT DISTINCT index_name AS name FROM information_schema.statistics
WHERE table_schema = DATABASE() AND non_unique = 0

-- name: digest_message
-- Digests whose message is not there.
SELECT digests.digest_id AS id, digests.digest_id AS name, '' AS incident_key, 'none' AS found,
    digests.message_id AS expected
FROM digests LEFT JOIN slack_messages ON slack_messages.message_id = digests.message_id
WHERE digests.digest_id > %(after)s AND digests.digest_id <= %(upto)s AND slack_messages.message_id IS NULL

-- name: member_digest
-- Members whose digest is not there.
SELECT digest_members.digest_id AS id, incident_id AS name, '' AS incident_key, 'none' AS found,
    CONCAT('digest ', digest_members.digest_id) AS expected
FROM digest_members LEFT JOIN digests ON digests.digest_id = digest_members.digest_id
WHERE digest_members.digest_id > %(after)s AND digest_members.digest_id <= %(upto)s AND digests.digest_id IS NULL

-- name: member_incident
-- Members of digests whose incident is not there.
SELECT digest_id AS id, digest_members.incident_id AS name, '' AS incident_key, 'none' AS found,
    CONCAT('the incident, in digest ', digest_id) AS expected
FROM digest_members LEFT JOIN incidents ON incidents.incident_id = digest_members.incident_id
WHERE digest_id > %(after)s AND digest_id <= %(upto)s AND incidents.incident_id IS NULL

-- name: repair_alert_count
-- The count of alerts is that of the rows.
UPDATE incidents SET alert_count = (
    SELECT COUNT(*) FROM grafana_alerts WHERE grafana_alerts.incident_id = incidents.incident_id
) WHERE number = %(id)s

-- name: repair_instance_counts
-- The counts of instances are those of the rows.
UPDATE incidents
SET instances_total = (SELECT COUNT(*) FROM incident_instances AS i WHERE i.incident_id = incidents.incident_id),
    instances_firing = (
        SELECT COUNT(*) FROM incident_instances AS i WHERE i.incident_id = incidents.incident_id AND i.state = 'firing'
    ),
    blind_firing = (
        SELECT COUNT(*) FROM incident_instances AS i
        WHERE i.incident_id = incidents.incident_id AND i.state = 'firing' AND i.kind = 'blind'
    )
WHERE number = %(id)s

-- name: repair_severity_rank
-- The rank is that of the severity.
UPDATE incidents SET severity_rank = FIELD(severity, 'critical', 'high', 'warning', 'info') - 1
WHERE number = %(id)s AND FIELD(severity, 'critical', 'high', 'warning', 'info') > 0

-- name: repair_card_version
-- The card is to show the incident's version; one that shows a later version is shown again.
UPDATE slack_messages JOIN incidents ON incidents.incident_id = slack_messages.incident_id
SET wanted_version = version, shown_version = CASE WHEN shown_version > version THEN 0 ELSE shown_version END
WHERE number = %(id)s

-- name: repair_shown_version
-- What shows a version nobody wanted is shown again.
UPDATE slack_messages SET shown_version = wanted_version - 1 WHERE message_id = %(id)s AND wanted_version > 0

-- name: repair_card_held
-- The card waits for nothing any more.
UPDATE slack_messages SET held_by = NULL, due_at = UTC_TIMESTAMP(6) WHERE message_id = %(id)s

-- name: tell_now
-- The card of an incident that was repaired waits from now on.
UPDATE slack_messages SET due_at = UTC_TIMESTAMP(6) WHERE incident_id = %(incident_id)s AND due_at < UTC_TIMESTAMP(6)

-- name: newest_holder
-- The newest incident of a key that has a fingerprint.
SELECT incident_instances.incident_id FROM incident_instances
JOIN incidents ON incidents.incident_id = incident_instances.incident_id
WHERE incident_instances.incident_key = %(key)s AND fingerprint = %(fingerprint)s ORDER BY number DESC LIMIT 1

-- name: repair_is_current
-- One instance of a fingerprint is the newest of its key.
UPDATE incident_instances SET is_current = (incident_id = %(incident_id)s)
WHERE incident_key = %(key)s AND fingerprint = %(fingerprint)s
