-- name: open_incidents
-- Open incidents by status and severity.
SELECT status, severity, COUNT(*) AS incidents FROM incidents
WHERE status IN ('active', 'acknowledged')
GROUP BY status, severity

-- name: looks
-- When each source's list was read last.
SELECT source, succeeded_at FROM source_looks WHERE succeeded_at IS NOT NULL
