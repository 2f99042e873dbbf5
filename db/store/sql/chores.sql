-- name: begin
-- A chore that nobody has done yet.
INSERT INTO chores (name, holder, until_at, state) VALUES (%(name)s, %(holder)s, %(until_at)s, %(state)s)
ON DUPLICATE KEY UPDATE name = VALUES(name)

-- name: take
-- Take the lease of a chore, or renew it, if nobody else has it.
UPDATE chores SET holder = %(holder)s, until_at = UTC_TIMESTAMP(6) + INTERVAL %(seconds)s SECOND
WHERE name = %(name)s AND (holder = %(holder)s OR until_at <= UTC_TIMESTAMP(6))

-- name: keep
-- How far a chore is; only its holder may say so.
UPDATE chores SET state = %(state)s, until_at = UTC_TIMESTAMP(6) + INTERVAL %(seconds)s SECOND
WHERE name = %(name)s AND holder = %(holder)s

-- name: read
-- Who does a chore, and how far it is.
SELECT holder, state, until_at > UTC_TIMESTAMP(6) AS held FROM chores WHERE name = %(name)s
