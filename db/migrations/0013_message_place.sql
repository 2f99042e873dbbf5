-- A link to a message names its incident: people paste it into the command.
ALTER TABLE slack_messages ADD KEY idx_messages_place (channel_id, ts)
