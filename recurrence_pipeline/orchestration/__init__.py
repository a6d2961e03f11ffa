"""Dagster's view of the work: thin functions that call the worker and report numbers. Only this package imports dagster."""
