-- name: want
-- Look again for what may hang there too much; a look that is wanted already is put off.
INSERT INTO slack_second_looks (post_key, channel, message_id, ts, since, due_at)
SELECT %(post_key)s, %(channel)s, message_id, %(ts)s, COALESCE(%(since)s, created_at),
    UTC_TIMESTAMP(6) + INTERVAL %(pause)s SECOND
FROM slack_messages WHERE message_id = %(message_id)s
ON DUPLICATE KEY UPDATE
    due_at = VALUES(due_at), looks = 0, failures = 0, ts = COALESCE(VALUES(ts), slack_second_looks.ts)

-- name: due
-- The look that waits longest; one that another worker holds is passed over.
SELECT * FROM slack_second_looks WHERE due_at <= UTC_TIMESTAMP(6) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: put_off
-- Not before so many seconds; also how a worker takes a look for itself.
UPDATE slack_second_looks
SET due_at = UTC_TIMESTAMP(6) + INTERVAL %(pause)s SECOND, looks = %(looks)s, failures = %(failures)s
WHERE post_key = %(post_key)s AND channel = %(channel)s

-- name: current
-- What the record says of a message now.
SELECT post_key, channel_id, ts, behind FROM slack_messages WHERE message_id = %(message_id)s

-- name: to_go
-- A message of this row that is to go from this channel, and is not gone yet.
SELECT ts FROM slack_second_looks
WHERE message_id = %(message_id)s AND channel = %(channel)s AND ts IS NOT NULL
LIMIT 1

-- name: done
-- Nothing is left to look for.
DELETE FROM slack_second_looks WHERE post_key = %(post_key)s AND channel = %(channel)s
