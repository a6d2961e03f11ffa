"""The work itself, callable from anywhere: a Dagster op, a terminal, an HTTP request, a test."""
