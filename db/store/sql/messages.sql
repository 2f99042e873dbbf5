-- name: want_cards
-- The cards of these incidents should show these versions; a card that waits keeps its turn.
INSERT INTO slack_messages (
    post_key, kind, incident_id, content, channel, priority, wanted_version, due_at, created_at
) VALUES (
    %(post_key)s, %(kind)s, %(incident_id)s, %(content)s, %(channel)s, %(priority)s, %(wanted_version)s, %(due_at)s,
    %(created_at)s
)
ON DUPLICATE KEY UPDATE
    priority = VALUES(priority),
    channel = CASE WHEN channel = '' THEN VALUES(channel) ELSE channel END,
    wanted_version = GREATEST(wanted_version, VALUES(wanted_version))

-- name: refresh_cards
-- Cards that are there should show these versions; nothing is posted for an incident that has none.
UPDATE slack_messages JOIN incidents ON incidents.incident_id = slack_messages.incident_id
JOIN ({rows}) AS new ON new.number = incidents.number
SET slack_messages.wanted_version = GREATEST(slack_messages.wanted_version, new.version)

-- name: hanging_cards
-- Where the cards of these incidents hang, as far as they do.
SELECT incident_id, channel, ts, created_at FROM slack_messages WHERE incident_id IN %(ids)s AND ts IS NOT NULL

-- name: hangs_in
-- The channel in which the card of an incident hangs.
SELECT channel_id FROM slack_messages WHERE incident_id = %(incident_id)s

-- name: candidates
-- Messages that are behind and due, the worst first; a row that another worker holds is passed over. In a channel with a
-- storm only incidents of some severities get a card or a reply.
SELECT * FROM slack_messages
WHERE behind = 1 AND due_at <= UTC_TIMESTAMP(6)
  AND (
    (
      ts IS NULL AND posting_since IS NULL AND held_by IS NULL AND channel NOT IN %(busy)s
      AND (kind NOT IN ('card', 'reply') OR priority IN %(own)s OR channel NOT IN %(stormy)s)
    )
    OR (ts IS NULL AND posting_since <= UTC_TIMESTAMP(6) - INTERVAL %(settle)s SECOND AND %(may_look)s)
    OR (ts IS NOT NULL AND %(may_edit)s)
  )
ORDER BY priority, due_at
LIMIT 1
FOR UPDATE SKIP LOCKED

-- name: claim
-- Take a message for so many seconds; a first post is marked as begun before Slack is called.
UPDATE slack_messages
SET due_at = UTC_TIMESTAMP(6) + INTERVAL %(lease)s SECOND,
    claimed_by = %(worker)s,
    posting_since = CASE WHEN ts IS NULL THEN COALESCE(posting_since, UTC_TIMESTAMP(6)) END
WHERE message_id = %(message_id)s AND due_at = %(due_at)s

-- name: shown
-- Slack shows this version; a newer one that is wanted goes after a pause.
UPDATE slack_messages
SET shown_version = GREATEST(shown_version, %(version)s), channel_id = %(channel_id)s, ts = %(ts)s,
    posting_since = NULL, attempts = 0, last_error = '', claimed_by = NULL,
    due_at = UTC_TIMESTAMP(6) + INTERVAL %(pause)s SECOND
WHERE message_id = %(message_id)s

-- name: not_sent
-- Slack certainly has nothing new: try again later.
UPDATE slack_messages
SET posting_since = NULL, attempts = attempts + %(counts)s, last_error = %(error)s, claimed_by = NULL,
    due_at = UTC_TIMESTAMP(6) + INTERVAL %(pause)s SECOND
WHERE message_id = %(message_id)s AND claimed_by = %(worker)s

-- name: unclear
-- Whether Slack has it is not known: posting_since stays, and somebody looks before posting again.
UPDATE slack_messages
SET attempts = attempts + 1, last_error = %(error)s, claimed_by = NULL,
    due_at = UTC_TIMESTAMP(6) + INTERVAL %(pause)s SECOND
WHERE message_id = %(message_id)s AND claimed_by = %(worker)s

-- name: lost
-- The message is gone from Slack: post it anew, as another message to Slack.
UPDATE slack_messages
SET ts = NULL, channel_id = NULL, shown_version = 0, posting_since = NULL, claimed_by = NULL,
    due_at = UTC_TIMESTAMP(6), last_error = %(error)s, post_key = %(post_key)s
WHERE message_id = %(message_id)s AND ts = %(ts)s

-- name: move
-- Show it in another channel from now on: what hangs in the old one does not count any more.
UPDATE slack_messages
SET channel = %(channel)s, content = %(content)s, post_key = %(new_key)s, ts = NULL, channel_id = NULL,
    shown_version = 0, posting_since = NULL, claimed_by = NULL, attempts = 0, last_error = %(error)s,
    due_at = UTC_TIMESTAMP(6)
WHERE message_id = %(message_id)s AND post_key = %(post_key)s AND claimed_by = %(worker)s

-- name: hurry
-- Slack works again: what waits because of failures need not wait longer. An empty channel means all of them.
UPDATE slack_messages SET due_at = UTC_TIMESTAMP(6), attempts = 0
WHERE behind = 1 AND claimed_by IS NULL AND attempts > 0 AND (channel = %(channel)s OR %(channel)s = '')

-- name: abandon
-- Nothing more will be shown: the message is gone and what it was about is over. Nobody waits for a post of it.
UPDATE slack_messages
SET shown_version = GREATEST(shown_version, %(version)s), posting_since = NULL, claimed_by = NULL,
    last_error = %(error)s
WHERE message_id = %(message_id)s

-- name: backlog
-- How many messages are behind, and since when the oldest of them waits; what a digest shows instead does not wait.
SELECT COUNT(*) AS behind, MIN(created_at) AS oldest FROM slack_messages WHERE behind = 1 AND held_by IS NULL

-- name: learn
-- Keep something Slack told us.
INSERT INTO slack_facts (name, value, learned_at) VALUES (%(name)s, %(value)s, %(learned_at)s)
ON DUPLICATE KEY UPDATE value = VALUES(value), learned_at = VALUES(learned_at)

-- name: forget
-- What Slack told us is not so any more.
DELETE FROM slack_facts WHERE name = %(name)s

-- name: recall_like
-- Everything Slack told us lately of one kind.
SELECT name, value FROM slack_facts WHERE name LIKE %(pattern)s AND learned_at >= %(since)s ORDER BY name

-- name: recall
-- Something Slack told us before.
SELECT value FROM slack_facts WHERE name = %(name)s
