"""Following the database as it changes: a worker that stays, without Dagster, and the change stream that wakes it."""
