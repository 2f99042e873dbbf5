"""Several replicas of the program on one record, under load, while replicas and nodes are killed."""
