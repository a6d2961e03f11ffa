"""The whole system on servers that want TLS and a password, for `make secure-test`: PostgreSQL, Redis and MongoDB."""
