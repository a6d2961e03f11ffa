"""Several hosts on one machine: `make cluster-test`. It needs root, PostgreSQL and Redis, and takes minutes."""
