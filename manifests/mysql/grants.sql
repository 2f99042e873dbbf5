-- What the running program and the keeper may write, table by table: after `python -m db migrate`, as an administrator.
-- May be run again at any time. Reading is granted in accounts.sql, and the reader gets nothing here.
--
-- The program cannot change or remove a line of the timeline, a checkpoint of the audit trail, a delivery, an alert
-- or an incident's row, and it cannot change a table. SELECT ... FOR UPDATE is covered by UPDATE.

-- observer: the running program
GRANT INSERT, UPDATE ON `observer`.`incident_keys` TO 'observer'@'%';
GRANT INSERT, UPDATE (body) ON `observer`.`deliveries` TO 'observer'@'%';   -- large bodies are written in pieces
GRANT INSERT, UPDATE ON `observer`.`incidents` TO 'observer'@'%';
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
GRANT UPDATE, DELETE ON `observer`.`deliveries` TO 'observer_keeper'@'%';
GRANT DELETE, UPDATE (delivery_id) ON `observer`.`grafana_alerts` TO 'observer_keeper'@'%';  -- lets go of a delivery
GRANT DELETE ON `observer`.`incident_timeline` TO 'observer_keeper'@'%';
GRANT INSERT ON `observer`.`audit_removals` TO 'observer_keeper'@'%';       -- every timeline it removes
GRANT DELETE ON `observer`.`incident_instances` TO 'observer_keeper'@'%';
GRANT DELETE ON `observer`.`digest_members` TO 'observer_keeper'@'%';
GRANT DELETE ON `observer`.`digests` TO 'observer_keeper'@'%';
GRANT UPDATE ON `observer`.`incidents` TO 'observer_keeper'@'%';            -- counts, and where a chain now begins
GRANT INSERT, UPDATE ON `observer`.`incident_keys` TO 'observer_keeper'@'%';  -- the locks
GRANT INSERT, UPDATE ON `observer`.`chores` TO 'observer_keeper'@'%';         -- how far it is
