-- name: newest_event
-- The highest id that an event ever had, retention or not, and the time by the clock of the database.
SELECT GREATEST(
    COALESCE((SELECT MAX(event_id) FROM incident_timeline), 0),
    COALESCE((SELECT MAX(last_event_id) FROM audit_removals), 0),
    COALESCE((SELECT last_event_id FROM audit_origin WHERE one = 1), 0)
) AS newest, UTC_TIMESTAMP(6) AS now_at

-- name: newest_checkpoint
-- When the newest checkpoint was written, and how many seconds ago. Times that are still to come count for nothing.
SELECT at, TIMESTAMPDIFF(MICROSECOND, at, UTC_TIMESTAMP(6)) / 1000000 AS age FROM audit_checkpoints
WHERE at <= UTC_TIMESTAMP(6) ORDER BY at DESC LIMIT 1

-- name: events_since
-- The next events after one, in the order of their ids, with the numbers of their incidents.
SELECT incident_timeline.event_id, incident_timeline.at, incident_timeline.chain_number, incident_timeline.link,
    incidents.number, incidents.incident_id
FROM incident_timeline JOIN incidents ON incidents.incident_id = incident_timeline.incident_id
WHERE incident_timeline.event_id > %(after)s AND incident_timeline.event_id <= %(upto)s
ORDER BY incident_timeline.event_id LIMIT %(limit)s

-- name: heads
-- The next checkpoints after a number, without their leaves.
SELECT checkpoint_number, at, to_event_id, events, SHA2(leaves, 256) AS leaves, previous, hash FROM audit_checkpoints
WHERE checkpoint_number > %(after)s ORDER BY checkpoint_number LIMIT %(limit)s

-- name: add_checkpoint
-- One more checkpoint; a number that is there already is refused.
INSERT INTO audit_checkpoints (checkpoint_number, at, to_event_id, events, leaves, previous, hash)
VALUES (%(checkpoint_number)s, %(at)s, %(to_event_id)s, %(events)s, %(leaves)s, %(previous)s, %(hash)s)

-- name: checkpoints
-- The next checkpoints after a number.
SELECT checkpoint_number, at, to_event_id, events, leaves, previous, hash FROM audit_checkpoints
WHERE checkpoint_number > %(after)s ORDER BY checkpoint_number LIMIT %(limit)s

-- name: chains
-- The next incidents after a number, with the heads of their chains.
SELECT number, incident_id, chain_length, chain_head, chain_removed, chain_base FROM incidents
WHERE number > %(after)s ORDER BY number LIMIT %(limit)s

-- name: chain
-- The head of one chain.
SELECT number, incident_id, chain_length, chain_head, chain_removed, chain_base FROM incidents
WHERE incident_id = %(id)s

-- name: events_of
-- The events of incidents, chain by chain.
SELECT * FROM incident_timeline WHERE incident_id IN %(ids)s ORDER BY incident_id, event_id LIMIT %(limit)s

-- name: more_events_of
-- Further events of one incident.
SELECT * FROM incident_timeline WHERE incident_id = %(id)s AND event_id > %(after)s ORDER BY event_id LIMIT %(limit)s

-- name: links_of
-- The links in some places of the chains of some incidents; incidents that are there without a link, too.
SELECT incidents.number, incidents.incident_id, incidents.chain_removed, incidents.chain_base,
    incident_timeline.chain_number, incident_timeline.link
FROM incidents LEFT JOIN incident_timeline
    ON incident_timeline.incident_id = incidents.incident_id AND incident_timeline.chain_number IN %(places)s
WHERE incidents.number IN %(numbers)s
