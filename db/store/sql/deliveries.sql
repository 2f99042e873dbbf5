-- name: insert
-- A request with its exact bytes; a request id that is there already is refused by uq_request_id, a signature by
-- uq_signature. The contents are written by `db.store.deliveries`: everything but the outcome.
INSERT INTO deliveries (
    request_id, received_at, source, content_type, body, body_encoding, body_sha256, body_bytes, truncated_alerts,
    credential, signature, masked, problem, outcome
) VALUES (
    %(contents)s, %(outcome)s
)

-- name: begin_body
-- A body that is larger than one statement may be begins, or is written.
SET @observer_body = _binary''

-- name: extend_body
-- One more piece of it; NULL once it is larger than the server allows.
SET @observer_body = CONCAT(@observer_body, %(piece)s)

-- name: body_bytes
-- How large it is.
SELECT LENGTH(@observer_body) AS bytes

-- name: numbers
-- The numbers of requests that were kept together.
SELECT request_id, delivery_id FROM deliveries WHERE request_id IN %(request_ids)s

-- name: keep_numbers
-- Keep the numbers of requests that were inserted by one statement, for statements of the same packet: that of the first
-- one, and the step between them, which is 1 except on clusters. An INSERT that says how many rows it has takes all its
-- numbers at once, so that the steps are equal; the step is that to the last row, divided.
SET @delivery = LAST_INSERT_ID(),
    @delivery_step = ((SELECT delivery_id FROM deliveries WHERE request_id = %(last)s) - LAST_INSERT_ID()) DIV %(steps)s

-- name: kept_numbers
-- What was kept.
SELECT @delivery, @delivery_step

-- name: by_request
-- What came of a request, if it is recorded already.
SELECT delivery_id, outcome FROM deliveries WHERE request_id = %(request_id)s
