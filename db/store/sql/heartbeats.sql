-- name: heard
-- Signs of life; a "resolved" or a late one is not one, and a "resolved" of an older occurrence says nothing.
INSERT INTO heartbeats (source, fingerprint, alertname, labels, starts_at, ended)
VALUES (%(source)s, %(fingerprint)s, %(alertname)s, %(labels)s, %(starts_at)s, %(ended)s)
ON DUPLICATE KEY UPDATE
    heard_at = CASE WHEN VALUES(ended) = 0 THEN UTC_TIMESTAMP(6) ELSE heard_at END,
    ended = CASE WHEN VALUES(ended) = 1 AND VALUES(starts_at) < starts_at THEN ended ELSE VALUES(ended) END,
    starts_at = GREATEST(starts_at, VALUES(starts_at)),
    labels = VALUES(labels)

-- name: all
-- Every heartbeat, with how long it is silent.
SELECT *, TIMESTAMPDIFF(MICROSECOND, heard_at, UTC_TIMESTAMP(6)) AS silent_microseconds FROM heartbeats
LIMIT %(limit)s

-- name: stopped
-- It is recorded that this heartbeat stopped after it was heard at this time.
UPDATE heartbeats SET stopped_at = %(stopped_at)s
WHERE source = %(source)s AND fingerprint = %(fingerprint)s AND stopped_at IS NULL

-- name: beats_again
-- It is recorded that this heartbeat, which had stopped then, is heard again.
UPDATE heartbeats SET stopped_at = NULL
WHERE source = %(source)s AND fingerprint = %(fingerprint)s AND stopped_at = %(stopped_at)s
