"""A Dagster project without a sensor or a schedule: what Dagster itself costs at rest."""

import dagster as dg


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def nothing_to_do() -> None:
    """Do nothing."""
    nothing()


defs = dg.Definitions(jobs=[nothing_to_do])
