-- name: origin
-- What was there before removals were recorded; no row in a new record.
SELECT last_event_id, last_unlinked_id, unlinked, removals FROM audit_origin WHERE one = 1

-- name: newest
-- The newest removal.
SELECT * FROM audit_removals ORDER BY removal_number DESC LIMIT 1

-- name: page
-- The next removals after a number, each with whether its incident is there.
SELECT audit_removals.*, incident_id FROM audit_removals
LEFT JOIN incidents ON incidents.number = audit_removals.incident_number
WHERE removal_number > %(after)s ORDER BY removal_number LIMIT %(limit)s

-- name: of_incidents
-- The removals of some incidents.
SELECT * FROM audit_removals WHERE incident_number IN %(numbers)s ORDER BY incident_number, removal_number

-- name: unlinked
-- How many events without a link retention removed.
SELECT COALESCE(SUM(unlinked), 0) AS unlinked FROM audit_removals

-- name: add
-- Timelines that went; a number that is there already is refused.
INSERT INTO audit_removals (
    removal_number, at, before_at, incident_number, first_number, last_number, unlinked, last_link, last_event_id,
    checkpoint_number, hash
) VALUES (
    %(removal_number)s, %(at)s, %(before_at)s, %(incident_number)s, %(first_number)s, %(last_number)s, %(unlinked)s,
    %(last_link)s, %(last_event_id)s, %(checkpoint_number)s, %(hash)s
)
