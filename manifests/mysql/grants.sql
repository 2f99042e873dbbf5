-- What the running program and the keeper may write, table by table: after `python -m db migrate`, as an administrator.
-- May be run again at any time. Reading is granted in accounts.sql, and the reader gets nothing here.
--
-- The program cannot change a line of the timeline, a checkpoint of the audit trail, a delivery or an alert, nor what an
-- incident is (number, key, title, times of its beginning); it can remove none of these, and it cannot change a table.
-- OPTIMIZE TABLE and ANALYZE TABLE come with SELECT and INSERT and cannot be taken away: they take time and change nothing.
-- SELECT ... FOR UPDATE is covered by UPDATE. GRANT, then REVOKE: earlier versions gave the right, and a right that is not
-- there cannot be revoked.

-- observer: the running program
GRANT INSERT, UPDATE ON `observer`.`incident_keys` TO 'observer'@'%';
GRANT UPDATE ON `observer`.`deliveries` TO 'observer'@'%';
REVOKE UPDATE ON `observer`.`deliveries` FROM 'observer'@'%';
GRANT INSERT ON `observer`.`deliveries` TO 'observer'@'%';
GRANT UPDATE ON `observer`.`incidents` TO 'observer'@'%';
REVOKE UPDATE ON `observer`.`incidents` FROM 'observer'@'%';
GRANT INSERT, UPDATE (
    status, severity, severity_rank, last_seen_at, alert_count, instances_total, instances_firing, blind_firing, held,
    last_values, links, owner, acknowledged_time, resolved_time, resolved_by, action_taken, root_cause, last_change,
    last_change_at, last_change_by, last_change_why, version, unobserved_since, blind_on, blind_incident, sight_at, stale_since,
    chain_length, chain_head
) ON `observer`.`incidents` TO 'observer'@'%';
GRANT INSERT ON `observer`.`grafana_alerts` TO 'observer'@'%';
GRANT INSERT, UPDATE ON `observer`.`incident_instances` TO 'observer'@'%';
GRANT INSERT ON `observer`.`incident_timeline` TO 'observer'@'%';
GRANT INSERT ON `observer`.`audit_checkpoints` TO 'observer'@'%';
GRANT INSERT, UPDATE ON `observer`.`slack_messages` TO 'observer'@'%';
GRANT INSERT, UPDATE, DELETE ON `observer`.`slack_facts` TO 'observer'@'%';  -- which channels refuse us just now
GRANT INSERT, UPDATE ON `observer`.`alert_senders` TO 'observer'@'%';
GRANT INSERT, UPDATE ON `observer`.`source_looks` TO 'observer'@'%';
GRANT INSERT, UPDATE, DELETE ON `observer`.`blind_rules` TO 'observer'@'%';  -- what cannot be observed just now
GRANT INSERT, UPDATE ON `observer`.`heartbeats` TO 'observer'@'%';
GRANT INSERT, UPDATE ON `observer`.`digests` TO 'observer'@'%';
GRANT INSERT, UPDATE ON `observer`.`digest_members` TO 'observer'@'%';
GRANT INSERT, UPDATE ON `observer`.`chores` TO 'observer'@'%';
GRANT INSERT, UPDATE, DELETE ON `observer`.`slack_second_looks` TO 'observer'@'%';  -- posts to be looked for once more
-- schema_migrations, schema_lease, audit_origin: read only

-- observer_keeper: removing what is old
GRANT UPDATE ON `observer`.`deliveries` TO 'observer_keeper'@'%';
REVOKE UPDATE ON `observer`.`deliveries` FROM 'observer_keeper'@'%';
GRANT DELETE, UPDATE (body, body_encoding) ON `observer`.`deliveries` TO 'observer_keeper'@'%';
GRANT DELETE, UPDATE (delivery_id) ON `observer`.`grafana_alerts` TO 'observer_keeper'@'%';  -- lets go of a delivery
GRANT DELETE ON `observer`.`incident_timeline` TO 'observer_keeper'@'%';
GRANT INSERT ON `observer`.`audit_removals` TO 'observer_keeper'@'%';       -- every timeline it removes
GRANT DELETE ON `observer`.`incident_instances` TO 'observer_keeper'@'%';
GRANT DELETE ON `observer`.`digest_members` TO 'observer_keeper'@'%';
GRANT DELETE ON `observer`.`digests` TO 'observer_keeper'@'%';
GRANT UPDATE ON `observer`.`incidents` TO 'observer_keeper'@'%';
REVOKE UPDATE ON `observer`.`incidents` FROM 'observer_keeper'@'%';
GRANT UPDATE (alerts_removed, timeline_removed, chain_removed, chain_base)   -- counts, and where a chain now begins
    ON `observer`.`incidents` TO 'observer_keeper'@'%';
GRANT INSERT, UPDATE ON `observer`.`incident_keys` TO 'observer_keeper'@'%';  -- the locks
GRANT INSERT, UPDATE ON `observer`.`chores` TO 'observer_keeper'@'%';         -- how far it is
