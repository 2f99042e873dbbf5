-- name: lock_keys
-- Take the rows of these keys, in order: every transaction that changes an incident begins with this.
INSERT INTO incident_keys (incident_key) VALUES (%(key)s)
ON DUPLICATE KEY UPDATE incident_key = incident_key

-- name: open_of_keys
-- The open incident of each key, if there is one.
SELECT * FROM incidents WHERE open_key IN %(keys)s

-- name: open_documents
-- The open incident of each key as one JSON document, and whether its key has a newer incident (that is over).
SELECT JSON_OBJECT(
    'incident_id', incidents.incident_id, 'number', incidents.number, 'incident_key', incidents.incident_key,
    'status', incidents.status, 'severity', incidents.severity, 'title', incidents.title,
    'summary', incidents.summary, 'rule_uid', incidents.rule_uid, 'phase', incidents.phase,
    'cluster', incidents.cluster, 'namespace', incidents.namespace, 'service', incidents.service,
    'service_category', incidents.service_category, 'source', incidents.source, 'channel', incidents.channel,
    'start_time', incidents.start_time, 'first_seen_at', incidents.first_seen_at,
    'last_seen_at', incidents.last_seen_at, 'alert_count', incidents.alert_count,
    'instances_total', incidents.instances_total, 'instances_firing', incidents.instances_firing,
    'blind_firing', incidents.blind_firing, 'first_values', incidents.first_values,
    'last_values', incidents.last_values, 'links', incidents.links, 'owner', incidents.owner,
    'acknowledged_time', incidents.acknowledged_time, 'resolved_time', incidents.resolved_time,
    'resolved_by', incidents.resolved_by, 'action_taken', incidents.action_taken, 'root_cause', incidents.root_cause,
    'last_change', incidents.last_change, 'last_change_at', incidents.last_change_at,
    'last_change_by', incidents.last_change_by, 'version', incidents.version,
    'chain_length', incidents.chain_length, 'chain_head', HEX(incidents.chain_head),
    'chain_removed', incidents.chain_removed, 'chain_base', HEX(incidents.chain_base)
), EXISTS (
    SELECT 1 FROM incidents AS newer
    WHERE newer.incident_key = incidents.incident_key AND newer.number > incidents.number
) FROM incidents WHERE open_key IN %(keys)s

-- name: last_of_keys
-- The newest incident of each key.
SELECT incidents.* FROM incidents
JOIN (SELECT MAX(number) AS number FROM incidents WHERE incident_key IN %(keys)s GROUP BY incident_key) AS newest
ON newest.number = incidents.number

-- name: open_of_rules
-- The open incidents of these rules: where their blind alerts belong.
SELECT * FROM incidents WHERE rule_uid IN %(rules)s AND status IN ('active', 'acknowledged')

-- name: by_ids
-- The incidents with these ids.
SELECT * FROM incidents WHERE incident_id IN %(ids)s

-- name: by_id
-- One incident.
SELECT * FROM incidents WHERE incident_id = %(id)s

-- name: by_number
-- The incident people call by this number.
SELECT * FROM incidents WHERE number = %(number)s

-- name: insert
-- New incidents.
INSERT INTO incidents (
    incident_id, incident_key, status, severity, severity_rank, title, summary, rule_uid, phase, cluster, namespace,
    service, service_category, source, channel, start_time, first_seen_at, last_seen_at, instances_total,
    instances_firing, blind_firing, first_values, last_values, links, owner, acknowledged_time, resolved_time,
    resolved_by, action_taken, root_cause, last_change, last_change_at, last_change_by, version,
    chain_length, chain_head, alert_count, created_at
) VALUES (
    %(incident_id)s, %(incident_key)s, %(status)s, %(severity)s, %(severity_rank)s, %(title)s, %(summary)s,
    %(rule_uid)s, %(phase)s, %(cluster)s, %(namespace)s, %(service)s, %(service_category)s, %(source)s, %(channel)s,
    %(start_time)s, %(first_seen_at)s, %(last_seen_at)s, %(instances_total)s, %(instances_firing)s, %(blind_firing)s,
    %(first_values)s, %(last_values)s, %(links)s, %(owner)s, %(acknowledged_time)s, %(resolved_time)s,
    %(resolved_by)s, %(action_taken)s, %(root_cause)s, %(last_change)s, %(last_change_at)s, %(last_change_by)s,
    %(version)s, %(chain_length)s, %(chain_head)s, %(recorded)s, %(created_at)s
)

-- name: touch
-- Incidents that were heard of again, and whose counts may have moved, with nothing else to see.
UPDATE incidents JOIN ({rows}) AS new ON new.number = incidents.number
SET incidents.last_seen_at = new.last_seen_at,
    incidents.alert_count = incidents.alert_count + new.recorded,
    incidents.instances_total = new.instances_total,
    incidents.instances_firing = new.instances_firing,
    incidents.blind_firing = new.blind_firing

-- name: update
-- An incident after a visible change; compare-and-swap on the version it was decided on.
UPDATE incidents
SET status = %(status)s, severity = %(severity)s, severity_rank = %(severity_rank)s, last_seen_at = %(last_seen_at)s,
    instances_total = %(instances_total)s, instances_firing = %(instances_firing)s, blind_firing = %(blind_firing)s,
    last_values = %(last_values)s, links = %(links)s, owner = %(owner)s, acknowledged_time = %(acknowledged_time)s,
    resolved_time = %(resolved_time)s, resolved_by = %(resolved_by)s, action_taken = %(action_taken)s,
    root_cause = %(root_cause)s, last_change = %(last_change)s, last_change_at = %(last_change_at)s,
    last_change_by = %(last_change_by)s, alert_count = alert_count + %(recorded)s, version = %(version)s,
    chain_length = %(chain_length)s, chain_head = %(chain_head)s
WHERE incident_id = %(incident_id)s AND version = %(was)s

-- name: search
-- The first incidents of a filter, the worst first, then the newest.
SELECT * FROM incidents
WHERE status IN %(statuses)s
  AND (%(any_severity)s OR severity IN %(severities)s)
  AND (%(cluster)s = '' OR cluster = %(cluster)s)
  AND (%(namespace)s = '' OR namespace = %(namespace)s)
  AND (%(service)s = '' OR service = %(service)s)
ORDER BY severity_rank, number DESC
LIMIT %(limit)s

-- name: count
-- How many incidents a filter finds.
SELECT COUNT(*) AS total FROM incidents
WHERE status IN %(statuses)s
  AND (%(any_severity)s OR severity IN %(severities)s)
  AND (%(cluster)s = '' OR cluster = %(cluster)s)
  AND (%(namespace)s = '' OR namespace = %(namespace)s)
  AND (%(service)s = '' OR service = %(service)s)
