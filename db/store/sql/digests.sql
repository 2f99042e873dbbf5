-- name: clock
-- The clock that all times of digests go by.
SELECT UTC_TIMESTAMP(6) AS now

-- name: arrived
-- How many cards were asked for lately, by channel; only channels with more than so many.
SELECT channel, COUNT(*) AS arrived FROM slack_messages
WHERE kind = 'card' AND queued_at > UTC_TIMESTAMP(6) - INTERVAL %(seconds)s SECOND AND channel <> ''
GROUP BY channel
HAVING COUNT(*) > %(limit)s

-- name: running
-- The digests that are not over.
SELECT * FROM digests WHERE ended_at IS NULL ORDER BY digest_id

-- name: stormy
-- The channels that have a storm.
SELECT channel FROM digests WHERE ended_at IS NULL AND kind = 'storm'

-- name: lock
-- Those of these digests that no other replica works on, and that are still not over.
SELECT * FROM digests WHERE digest_id IN %(ids)s AND ended_at IS NULL ORDER BY digest_id FOR UPDATE SKIP LOCKED

-- name: by_id
-- One digest.
SELECT * FROM digests WHERE digest_id = %(digest_id)s

-- name: insert
-- A digest begins; uq_digest_open refuses a second one about the same.
INSERT INTO digests (
    kind, channel, rule, shared, at_least, window_seconds, open_key, since, began_at, busy_at, scanned_at, refreshed_at
) VALUES (
    %(kind)s, %(channel)s, %(rule)s, %(shared)s, %(at_least)s, %(window_seconds)s, %(open_key)s, %(since)s, %(now)s,
    %(now)s, %(since)s, %(now)s
)

-- name: insert_message
-- Its message, which goes out with the most urgent ones.
INSERT INTO slack_messages (post_key, kind, content, channel, priority, wanted_version, due_at, created_at)
VALUES (
    %(post_key)s, %(kind)s, %(content)s, %(channel)s, %(priority)s, %(version)s, %(due_at)s, %(now)s
)

-- name: has_message
-- The digest knows its message.
UPDATE digests SET message_id = %(message_id)s WHERE digest_id = %(digest_id)s

-- name: newcomers
-- Incidents whose cards were asked for in this channel since then, and that are no members yet.
SELECT cards.message_id, cards.incident_id FROM slack_messages AS cards
LEFT JOIN digest_members AS members
    ON members.digest_id = %(digest_id)s AND members.incident_id = cards.incident_id
WHERE cards.kind = 'card' AND cards.channel = %(channel)s AND cards.queued_at > %(since)s
  AND members.digest_id IS NULL
ORDER BY cards.message_id
LIMIT %(limit)s

-- name: join
-- Incidents become members.
INSERT INTO digest_members (digest_id, incident_id, joined_at) VALUES (%(digest_id)s, %(incident_id)s, %(now)s)
ON DUPLICATE KEY UPDATE digest_id = VALUES(digest_id)

-- name: holdable
-- Cards of members that are not posted and not being posted; a row that somebody works on is passed over.
SELECT cards.message_id FROM slack_messages AS cards
WHERE cards.behind = 1 AND cards.due_at < '9000-01-01' AND cards.kind = 'card' AND cards.channel = %(channel)s
  AND cards.ts IS NULL AND cards.posting_since IS NULL AND cards.held_by IS NULL
  AND cards.priority NOT IN %(own)s AND cards.queued_at > %(since)s
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: holdable_members
-- The same among these incidents.
SELECT cards.message_id FROM slack_messages AS cards
WHERE cards.incident_id IN %(ids)s AND cards.behind = 1 AND cards.ts IS NULL AND cards.posting_since IS NULL
  AND cards.held_by IS NULL AND cards.priority NOT IN %(own)s
FOR UPDATE SKIP LOCKED

-- name: hold
-- No cards meanwhile.
UPDATE slack_messages SET held_by = %(digest_id)s, due_at = '9999-01-01' WHERE message_id IN %(ids)s

-- name: grown_worse
-- Held cards of incidents that have become so bad that they get a card at once.
SELECT message_id FROM slack_messages WHERE held_by IN %(ids)s AND priority IN %(own)s LIMIT 500
FOR UPDATE SKIP LOCKED

-- name: lasting
-- Digests that are over and still show open incidents, as far as is known; the one that waits longest first.
SELECT * FROM digests
WHERE ended_at IS NOT NULL AND refreshed_at <= UTC_TIMESTAMP(6) - INTERVAL %(seconds)s SECOND
ORDER BY refreshed_at LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: worst_held
-- The cards that a digest holds of the worst incidents that nobody works on, the oldest first.
SELECT cards.message_id FROM slack_messages AS cards
JOIN incidents ON incidents.incident_id = cards.incident_id
WHERE cards.held_by = %(digest_id)s AND incidents.status = 'active' AND incidents.severity_rank IN %(ranks)s
ORDER BY incidents.severity_rank, incidents.number
LIMIT %(limit)s

-- name: held_and_closed
-- The cards that a digest holds of incidents that seem to be over.
SELECT cards.message_id FROM slack_messages AS cards
JOIN incidents ON incidents.incident_id = cards.incident_id
WHERE cards.held_by = %(digest_id)s AND incidents.status = 'resolved'
LIMIT %(limit)s

-- name: lock_held
-- Those of these cards that a digest still holds and nobody works on.
SELECT message_id FROM slack_messages
WHERE message_id IN %(ids)s AND held_by = %(digest_id)s
FOR UPDATE SKIP LOCKED

-- name: of_closed
-- Those of these cards whose incidents are over. Asked once the cards are locked: who reopens an incident asks for its
-- card, so what is not seen here yet asks again afterwards.
SELECT cards.message_id FROM slack_messages AS cards
JOIN incidents ON incidents.incident_id = cards.incident_id
WHERE cards.message_id IN %(ids)s AND incidents.status = 'resolved'

-- name: release
-- These cards are posted in their turn.
UPDATE slack_messages SET held_by = NULL, due_at = %(due_at)s, shown_version = 0 WHERE message_id IN %(ids)s

-- name: held_and_behind
-- The cards that a digest holds and whose incidents changed, except those that somebody works on.
SELECT message_id FROM slack_messages WHERE held_by = %(digest_id)s AND behind = 1 LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: shown_here
-- The digest that holds these cards shows the incidents as they are.
UPDATE slack_messages SET shown_version = GREATEST(shown_version, wanted_version) WHERE message_id IN %(ids)s

-- name: drop
-- These cards are not posted: their incidents are over, and nobody waits for them. Reopened, they get one.
UPDATE slack_messages
SET held_by = NULL, due_at = %(due_at)s, shown_version = GREATEST(shown_version, wanted_version),
    last_error = 'shown by a digest'
WHERE message_id IN %(ids)s

-- name: busy
-- The rate is still exceeded, or a member joined.
UPDATE digests SET busy_at = %(now)s WHERE digest_id = %(digest_id)s

-- name: scanned
-- All that belonged to it by then is a member.
UPDATE digests SET scanned_at = %(now)s WHERE digest_id = %(digest_id)s

-- name: full
-- It takes no more members; another one about the same may begin.
UPDATE digests SET open_key = NULL WHERE digest_id = %(digest_id)s

-- name: finish
-- It is over; its message says so.
UPDATE digests SET ended_at = %(now)s, open_key = NULL WHERE digest_id = %(digest_id)s AND ended_at IS NULL

-- name: versions
-- The sum of its members' versions grows with every change of one of them, and so does what its message should show.
SELECT COUNT(*) AS members, COALESCE(SUM(incidents.version), 0) AS version,
    COALESCE(SUM(incidents.status <> 'resolved'), 0) AS still_open
FROM digest_members
JOIN incidents ON incidents.incident_id = digest_members.incident_id
WHERE digest_members.digest_id = %(digest_id)s

-- name: refresh
-- Its message should show this version.
UPDATE slack_messages SET wanted_version = GREATEST(wanted_version, %(version)s) WHERE message_id = %(message_id)s

-- name: settled
-- Its message shows the last of it: nothing is open.
UPDATE digests SET refreshed_at = '9999-12-31' WHERE digest_id = %(digest_id)s

-- name: refreshed
-- Its message was compared with its members.
UPDATE digests SET refreshed_at = %(now)s WHERE digest_id = %(digest_id)s

-- name: tallies
-- Its members, counted, and the sum of their versions.
SELECT incidents.service, incidents.cluster, incidents.severity, incidents.status, COUNT(*) AS members,
    SUM(incidents.version) AS version
FROM digest_members
JOIN incidents ON incidents.incident_id = digest_members.incident_id
WHERE digest_members.digest_id = %(digest_id)s
GROUP BY incidents.service, incidents.cluster, incidents.severity, incidents.status

-- name: own_cards
-- How many of its members have a card of their own.
SELECT COUNT(*) AS cards FROM digest_members
JOIN slack_messages ON slack_messages.incident_id = digest_members.incident_id
WHERE digest_members.digest_id = %(digest_id)s AND slack_messages.ts IS NOT NULL

-- name: how_many_run
-- How many digests are not over.
SELECT COUNT(*) AS running FROM digests WHERE ended_at IS NULL

-- name: members
-- Its members of a group: the open ones first, then the worst, then the oldest.
SELECT incidents.incident_id FROM digest_members
JOIN incidents ON incidents.incident_id = digest_members.incident_id
WHERE digest_members.digest_id = %(digest_id)s
  AND (%(everything)s OR (incidents.service = %(service)s AND incidents.cluster = %(cluster)s))
ORDER BY incidents.status = 'resolved', incidents.severity_rank, incidents.number
LIMIT %(limit)s OFFSET %(offset)s

-- name: candidates
-- Open incidents whose cards were asked for lately and that are in no digest.
SELECT incidents.incident_id, cards.channel, cards.queued_at, incidents.cluster, incidents.namespace,
    incidents.service, incidents.phase, incidents.severity, incidents.service_category, incidents.title
FROM slack_messages AS cards
JOIN incidents ON incidents.incident_id = cards.incident_id
LEFT JOIN digest_members ON digest_members.incident_id = cards.incident_id
WHERE cards.kind = 'card' AND cards.queued_at > UTC_TIMESTAMP(6) - INTERVAL %(seconds)s SECOND
  AND cards.channel <> '' AND incidents.status <> 'resolved' AND digest_members.digest_id IS NULL
ORDER BY cards.message_id
LIMIT %(limit)s

-- name: group_of
-- The newest group of related incidents that an incident is in.
SELECT digests.* FROM digest_members
JOIN digests ON digests.digest_id = digest_members.digest_id
WHERE digest_members.incident_id = %(incident_id)s AND digests.kind = 'related'
ORDER BY digests.digest_id DESC
LIMIT 1

-- name: untold
-- Cards of members that do not name the group yet; one that is being edited comes with the next look.
SELECT cards.message_id, digest_members.incident_id FROM digest_members
JOIN slack_messages AS cards ON cards.incident_id = digest_members.incident_id
WHERE digest_members.digest_id = %(digest_id)s AND digest_members.card_told = 0
  AND cards.ts IS NOT NULL AND cards.claimed_by IS NULL

-- name: edit_again
-- These cards are edited although their incidents did not change.
UPDATE slack_messages SET shown_version = LEAST(shown_version, wanted_version - 1)
WHERE message_id IN %(ids)s AND claimed_by IS NULL

-- name: told
-- Their cards name the group.
UPDATE digest_members SET card_told = 1 WHERE digest_id = %(digest_id)s AND incident_id IN %(ids)s
