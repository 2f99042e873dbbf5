-- name: now
-- The time that all replicas share.
SELECT UTC_TIMESTAMP(6) AS now

-- name: begin
-- The row of a source, due at once.
INSERT INTO source_looks (source, leased_until, due_at, memory)
SELECT %(source)s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), ''
ON DUPLICATE KEY UPDATE source = source_looks.source

-- name: claim
-- Take the turn for so many seconds; nobody else has it, and it is due or urgent. A worker takes one turn at a time, so
-- a lease of its own is one of which it never heard: of a COMMIT whose answer was lost.
UPDATE source_looks
SET leased_by = %(worker)s, leased_until = UTC_TIMESTAMP(6) + INTERVAL %(lease)s SECOND
WHERE source = %(source)s
  AND (leased_until <= UTC_TIMESTAMP(6) OR leased_by = %(worker)s)
  AND (%(urgent)s OR due_at <= UTC_TIMESTAMP(6))

-- name: row
-- How the looks at a source stand.
SELECT * FROM source_looks WHERE source = %(source)s

-- name: finish
-- The list was read.
UPDATE source_looks
SET leased_until = UTC_TIMESTAMP(6), due_at = UTC_TIMESTAMP(6) + INTERVAL %(pause)s SECOND,
    looked_at = UTC_TIMESTAMP(6), succeeded_at = UTC_TIMESTAMP(6), failures = 0, problem = '', memory = %(memory)s
WHERE source = %(source)s AND leased_by = %(worker)s

-- name: fail
-- The list could not be read, or not of all servers.
UPDATE source_looks
SET leased_until = UTC_TIMESTAMP(6), due_at = UTC_TIMESTAMP(6) + INTERVAL %(pause)s SECOND,
    looked_at = UTC_TIMESTAMP(6), failures = failures + 1, problem = %(problem)s, memory = %(memory)s
WHERE source = %(source)s AND leased_by = %(worker)s

-- name: senders
-- Who ever sent webhooks of a source.
SELECT origin, receiver FROM alert_senders WHERE source = %(source)s

-- name: all_senders
-- Who ever sent webhooks.
SELECT source, origin, receiver FROM alert_senders ORDER BY source, origin, receiver

-- name: add_sender
-- Somebody sends webhooks.
INSERT INTO alert_senders (origin, receiver, source, first_heard_at)
SELECT %(origin)s, %(receiver)s, %(source)s, UTC_TIMESTAMP(6)
ON DUPLICATE KEY UPDATE origin = alert_senders.origin
