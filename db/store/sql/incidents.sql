-- name: lock_keys
-- Take the rows of these keys, in order: every transaction that changes an incident begins with this. The row really
-- changes: row locks do not cross the nodes of a cluster, and there only rows that changed are compared at COMMIT.
INSERT INTO incident_keys (incident_key, turn) VALUES (%(key)s, %(turn)s)
ON DUPLICATE KEY UPDATE turn = turn + {step}

-- name: take_turns
-- The same for keys whose rows are remembered: fails, since a turn is never NULL, if one of them has another turn by now.
-- Nobody removes such a row; one that somebody removed by hand is made with the remembered turn, which is outdated then.
INSERT INTO incident_keys (incident_key, turn) VALUES (%(key)s, %(turn)s)
ON DUPLICATE KEY UPDATE turn = IF(turn = VALUES(turn), turn + {step}, NULL)

-- name: turns
-- The turns of these keys.
SELECT incident_key, turn FROM incident_keys WHERE incident_key IN %(keys)s

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
    'alerts_removed', incidents.alerts_removed,
    'instances_total', incidents.instances_total, 'instances_firing', incidents.instances_firing,
    'blind_firing', incidents.blind_firing, 'first_values', incidents.first_values,
    'last_values', incidents.last_values, 'links', incidents.links, 'owner', incidents.owner,
    'acknowledged_time', incidents.acknowledged_time, 'resolved_time', incidents.resolved_time,
    'resolved_by', incidents.resolved_by, 'action_taken', incidents.action_taken, 'root_cause', incidents.root_cause,
    'last_change', incidents.last_change, 'last_change_at', incidents.last_change_at,
    'last_change_by', incidents.last_change_by, 'last_change_why', incidents.last_change_why,
    'version', incidents.version, 'held', incidents.held,
    'unobserved_since', incidents.unobserved_since, 'blind_on', incidents.blind_on,
    'blind_incident', incidents.blind_incident, 'sight_at', incidents.sight_at, 'stale_since', incidents.stale_since,
    'chain_length', incidents.chain_length, 'chain_head', HEX(incidents.chain_head),
    'chain_removed', incidents.chain_removed, 'chain_base', HEX(incidents.chain_base)
), number < (
    SELECT newest.number FROM incidents AS newest FORCE INDEX (idx_incident_key_number)
    WHERE newest.incident_key = incidents.incident_key ORDER BY newest.incident_key DESC, newest.number DESC LIMIT 1
) FROM incidents FORCE INDEX (uq_open_key) WHERE open_key IN %(keys)s

-- name: last_of_keys
-- The newest incident of each key.
SELECT incidents.* FROM ({each}) AS newest STRAIGHT_JOIN incidents FORCE INDEX (uq_number)
ON incidents.number = newest.number

-- name: last_number
-- The number of the newest incident of one key: one look into the index, however many there were. For several keys and
-- GROUP BY the servers read all numbers of each.
SELECT MAX(number) AS number FROM incidents FORCE INDEX (idx_incident_key_number) WHERE incident_key = %(key)s

-- name: open_of_rules
-- The open incidents of these rules: what cannot be observed while they are blind.
SELECT * FROM incidents WHERE rule_uid IN %(rules)s AND status IN ('active', 'acknowledged')

-- name: doubtful_of_rules
-- Incidents of these rules that their source resolved since a moment ago; what settled was seen not to fire.
SELECT * FROM incidents
WHERE rule_uid IN %(rules)s AND status = 'resolved' AND last_seen_at >= %(since)s AND resolved_time >= %(since)s
  AND resolved_by LIKE 'source:%%'

-- name: to_settle
-- Open incidents whose rule sees again for long enough that what is held has recovered.
SELECT incident_key FROM incidents
WHERE sight_at <= %(until)s AND status IN ('active', 'acknowledged')
ORDER BY sight_at LIMIT %(limit)s

-- name: wrong_sight
-- Open incidents that are unobserved although their rule sees, or the other way round: an incident that opened in the
-- moment in which its rule went blind, for example.
SELECT incident_key FROM incidents
WHERE unobserved_since IS NOT NULL AND rule_uid NOT IN (SELECT rule_uid FROM blind_rules)
UNION
SELECT incidents.incident_key FROM incidents JOIN blind_rules ON blind_rules.rule_uid = incidents.rule_uid
WHERE incidents.status IN ('active', 'acknowledged') AND incidents.unobserved_since IS NULL
LIMIT %(limit)s

-- name: silent
-- Open incidents that were not heard of for long and are not marked yet.
SELECT incident_key FROM incidents
WHERE status IN ('active', 'acknowledged') AND last_seen_at <= %(until)s AND stale_since IS NULL
LIMIT %(limit)s

-- name: still_firing
-- What a person resolved and what fires all the same; a second time only if the source has repeated it since.
SELECT incident_id, incident_key FROM incidents
WHERE status = 'resolved' AND instances_firing > 0 AND resolved_time <= %(until)s AND resolved_by LIKE 'slack:%%'
  AND (
    last_seen_at > resolved_time
    OR NOT EXISTS (
      SELECT 1 FROM incident_timeline AS line
      WHERE line.incident_id = incidents.incident_id AND line.kind = 'reopened' AND line.reason = %(reason)s
    )
  )
LIMIT %(limit)s

-- name: quiet
-- Open incidents of a source that were not heard of since then, stale or not.
SELECT incident_id FROM incidents
WHERE status IN ('active', 'acknowledged') AND last_seen_at <= %(until)s AND source = %(source)s

-- name: by_ids
-- The incidents with these ids.
SELECT * FROM incidents WHERE incident_id IN %(ids)s

-- name: by_id
-- One incident.
SELECT * FROM incidents WHERE incident_id = %(id)s

-- name: by_number
-- The incident people call by this number.
SELECT * FROM incidents WHERE number = %(number)s

-- name: by_place
-- The incident whose card, or a reply to it, is this message in Slack.
SELECT incidents.* FROM slack_messages JOIN incidents ON incidents.incident_id = COALESCE(
    slack_messages.incident_id, JSON_UNQUOTE(JSON_EXTRACT(slack_messages.content, '$.incident'))
)
WHERE slack_messages.channel_id = %(channel_id)s AND slack_messages.ts = %(ts)s

-- name: page
-- The next incidents in the order of their numbers.
SELECT * FROM incidents WHERE number > %(after)s ORDER BY number LIMIT %(limit)s

-- name: insert
-- New incidents.
INSERT INTO incidents (
    incident_id, incident_key, status, severity, severity_rank, title, summary, rule_uid, phase, cluster, namespace,
    service, service_category, source, channel, start_time, first_seen_at, last_seen_at, instances_total,
    instances_firing, blind_firing, first_values, last_values, links, owner, acknowledged_time, resolved_time,
    resolved_by, action_taken, root_cause, last_change, last_change_at, last_change_by, last_change_why, version, chain_length,
    chain_head, alert_count, created_at, held, unobserved_since, blind_on, blind_incident, sight_at, stale_since
) VALUES (
    %(incident_id)s, %(incident_key)s, %(status)s, %(severity)s, %(severity_rank)s, %(title)s, %(summary)s,
    %(rule_uid)s, %(phase)s, %(cluster)s, %(namespace)s, %(service)s, %(service_category)s, %(source)s, %(channel)s,
    %(start_time)s, %(first_seen_at)s, %(last_seen_at)s, %(instances_total)s, %(instances_firing)s, %(blind_firing)s,
    %(first_values)s, %(last_values)s, %(links)s, %(owner)s, %(acknowledged_time)s, %(resolved_time)s,
    %(resolved_by)s, %(action_taken)s, %(root_cause)s, %(last_change)s, %(last_change_at)s, %(last_change_by)s, %(last_change_why)s,
    %(version)s, %(chain_length)s, %(chain_head)s, %(recorded)s, %(created_at)s, %(held)s, %(unobserved_since)s,
    %(blind_on)s, %(blind_incident)s, %(sight_at)s, %(stale_since)s
)

-- name: heard
-- Incidents that were heard of again, with nothing else to tell.
UPDATE incidents FORCE INDEX (uq_number)
SET last_seen_at = CASE number {last_seen_at} END, alert_count = alert_count + CASE number {recorded} END
WHERE number IN {each}

-- name: touch
-- The same for those whose counts of instances moved as well.
UPDATE ({rows}) AS new STRAIGHT_JOIN incidents FORCE INDEX (uq_number) ON incidents.number = new.number
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
    last_change_by = %(last_change_by)s, last_change_why = %(last_change_why)s, alert_count = alert_count + %(recorded)s, version = %(version)s,
    held = %(held)s, unobserved_since = %(unobserved_since)s, blind_on = %(blind_on)s,
    blind_incident = %(blind_incident)s, sight_at = %(sight_at)s, stale_since = %(stale_since)s,
    chain_length = %(chain_length)s, chain_head = %(chain_head)s
WHERE incident_id = %(incident_id)s AND version = %(was)s

-- name: found
-- Incidents by numbers that were found.
SELECT incidents.* FROM ({each}) AS found STRAIGHT_JOIN incidents FORCE INDEX (uq_number)
ON incidents.number = found.number

-- name: first
-- The numbers of the first incidents of one status and severity: as many entries of the index are read as are wanted.
(
  SELECT number FROM incidents FORCE INDEX ({index})
  WHERE status = %(status)s AND severity_rank = %(rank)s
    AND (%(cluster)s = '' OR cluster = %(cluster)s)
    AND (%(namespace)s = '' OR namespace = %(namespace)s)
    AND (%(service)s = '' OR service = %(service)s)
  ORDER BY number {direction}
  LIMIT %(limit)s
)

-- name: count
-- How many incidents a filter finds, up to a most.
SELECT COUNT(*) AS total FROM (
  SELECT 1 FROM incidents FORCE INDEX ({index})
  WHERE status IN %(statuses)s AND severity_rank IN %(ranks)s
    AND (%(cluster)s = '' OR cluster = %(cluster)s)
    AND (%(namespace)s = '' OR namespace = %(namespace)s)
    AND (%(service)s = '' OR service = %(service)s)
  LIMIT %(most)s
) AS found
