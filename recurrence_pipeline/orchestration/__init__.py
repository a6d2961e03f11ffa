"""Dagster's view of the work: thin functions that call the worker and report numbers. Nothing else imports dagster."""
