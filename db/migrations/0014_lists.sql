-- Lists of incidents read as many entries as they show, however many are open, also those of one service, namespace or
-- cluster.
ALTER TABLE incidents
    ADD KEY idx_service_status_severity_number (service, status, severity_rank, number),
    ADD KEY idx_namespace_status_severity_number (namespace, status, severity_rank, number),
    ADD KEY idx_cluster_status_severity_number (cluster, status, severity_rank, number)
