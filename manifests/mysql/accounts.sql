-- The database's accounts, before Observer's first start. Replace the four passwords in capital letters below; run as an
-- administrator of MySQL 8.0+ or MariaDB 10.11+:
--
--     mysql -h HOST -u root -p < manifests/mysql/accounts.sql
--
-- (set_up.sh does both, with the passwords from files: so does manifests/compose.yaml.) Run again, it sets the passwords.
--
--   observer_migrator   makes and changes the tables:      DB_USER for `python -m db migrate`
--   observer            the running program:               DB_USER of Observer
--   observer_keeper     removes what is old (retention):   DB_USER for `python -m db` commands that remove
--   observer_reader     reads, nothing else:               Grafana's MySQL data source, `python -m db verify-audit`
--
-- Then: 1. `python -m db migrate` as observer_migrator, now and after each new version, before Observer is started;
--       2. manifests/mysql/grants.sql as an administrator, now and after each new version;
--       3. start Observer as observer. On old tables it stops with a message that says so.
-- The triggers run with the rights of observer_migrator: keep that account. It may be locked between migrations
-- (ALTER USER 'observer_migrator'@'%' ACCOUNT LOCK). '%' may be a narrower host. REQUIRE SSL suits all of them.

CREATE DATABASE IF NOT EXISTS `observer` CHARACTER SET utf8mb4;

CREATE USER IF NOT EXISTS 'observer_migrator'@'%' IDENTIFIED BY 'MIGRATOR_PASSWORD';
CREATE USER IF NOT EXISTS 'observer'@'%' IDENTIFIED BY 'APPLICATION_PASSWORD';
CREATE USER IF NOT EXISTS 'observer_keeper'@'%' IDENTIFIED BY 'KEEPER_PASSWORD';
CREATE USER IF NOT EXISTS 'observer_reader'@'%' IDENTIFIED BY 'READER_PASSWORD';

ALTER USER 'observer_migrator'@'%' IDENTIFIED BY 'MIGRATOR_PASSWORD';
ALTER USER 'observer'@'%' IDENTIFIED BY 'APPLICATION_PASSWORD';
ALTER USER 'observer_keeper'@'%' IDENTIFIED BY 'KEEPER_PASSWORD';
ALTER USER 'observer_reader'@'%' IDENTIFIED BY 'READER_PASSWORD';

-- Everything inside this database but handing rights on. With binary logging MySQL lets nobody but administrators make
-- triggers, unless log_bin_trust_function_creators is ON (or SET GLOBAL it for the time of the migration).
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW
    ON `observer`.* TO 'observer_migrator'@'%';

-- Reading is for all of the tables, those of later versions too.
GRANT SELECT ON `observer`.* TO 'observer'@'%';
GRANT SELECT ON `observer`.* TO 'observer_keeper'@'%';
GRANT SELECT ON `observer`.* TO 'observer_reader'@'%';
