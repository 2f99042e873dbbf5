-- What clusters need. Row locks do not cross their nodes; two transactions are compared at COMMIT by the rows they changed.

-- Grows with every transaction that changes an incident of the key, so that two of them never both commit on two nodes.
ALTER TABLE incident_keys ADD COLUMN turn BIGINT UNSIGNED NOT NULL DEFAULT 0
