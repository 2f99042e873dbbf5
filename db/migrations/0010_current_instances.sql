-- What is current stands together in the index that every webhook looks into, so that a long past does not spread it over
-- pages that no longer fit into memory. The older index, by key, stays for those who ask for the past as well.
ALTER TABLE incident_instances ADD KEY idx_instances_current (is_current, incident_key, fingerprint)
