"""Put that back: dead letters retried, deletions undone, series that stand still begun anew. A person asks for each."""
