-- What a person resolved and what fires all the same is found without reading the past.
ALTER TABLE incidents ADD KEY idx_status_firing_resolved (status, instances_firing, resolved_time)
