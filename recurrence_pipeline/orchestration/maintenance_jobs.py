"""The daily maintenance: the job that deletes what nobody named. What is checked weekly is in jobs.py.

Ops of a job and no assets, so that "Materialize all" deletes nothing. Pressed as it is the job only counts; its
schedule sets `dry_run` to false. The parts do not depend on each other: one that fails, or asks for a confirmation,
keeps no other from running.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from recurrence_pipeline.orchestration.data_checks import orphans_evaluation
from recurrence_pipeline.orchestration.materializations import materialize
from recurrence_pipeline.orchestration.metadata import DRY_RUN
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.own import Own, location_of_run
from recurrence_pipeline.orchestration.resources import (
    MAINTENANCE_TAG,
    MONGODB,
    Resources,
    WorkerParam,
    failing_in_one_line,
)

WRITTEN = {"dry_run": False}
"""The config of a run that does what there is to do."""


class DryRunConfig(dg.Config):
    """Whether anything is written."""

    dry_run: bool = Field(default=True, description=DRY_RUN)


class MaintenanceConfig(DryRunConfig):
    """How far the orphan cleanup may go."""

    confirm: bool = Field(
        default=False,
        description="Also delete more than ORPHAN_CLEANUP_LIMIT tasks that are more than 20 % of all occurrences. "
        "So many orphans look like originals that are missing: make sure first that no restore is half done.",
    )


@dg.op(out=dg.Out(dg.Nothing), tags=MONGODB)
def clean_orphans(context: dg.OpExecutionContext, config: MaintenanceConfig, worker: WorkerParam) -> None:
    """Delete occurrences whose original is gone, and keep copies; then look whether any are left."""
    with failing_in_one_line():
        maintenance = worker.open().maintenance
        if config.dry_run:
            context.add_output_metadata({"written": False, "would_delete": maintenance.count_orphans()})
            return
        deleted = maintenance.clean_orphans(confirm=config.confirm)
        context.add_output_metadata({"written": True, "deleted": deleted})
        written = {"tasks": "deleted", "deleted_tasks": "kept", "useractivities": "orphans_told_of"}
        materialize(context, worker, {name: {count: deleted} for name, count in written.items()})
        context.log_event(orphans_evaluation(worker))  # type: ignore[arg-type]  # taken by an op since Dagster 1.5


@dg.op(out=dg.Out(dg.Nothing), tags=MONGODB)
def forget_series(context: dg.OpExecutionContext, config: DryRunConfig, worker: WorkerParam) -> None:
    """Forget series whose original has been gone for as long as copies of deleted tasks are kept."""
    with failing_in_one_line():
        forgotten = worker.open().maintenance.forget_series(dry_run=config.dry_run)
    context.add_output_metadata(_counted(config, "forget", "forgotten", forgotten))


@dg.op(out=dg.Out(dg.Nothing), tags=MONGODB)
def ask_for_missed_slots(context: dg.OpExecutionContext, config: DryRunConfig, worker: WorkerParam) -> None:
    """Ask, with events, for series of which missed slots do not stay, where the time of their next slot has come."""
    with failing_in_one_line():
        asked = worker.open().reconciliation.ask_for_missed(dry_run=config.dry_run)
    context.add_output_metadata(_counted(config, "ask", "asked", asked))


@dg.op(out=dg.Out(dg.Nothing), tags=MONGODB)
def archive_activities(context: dg.OpExecutionContext, config: DryRunConfig, worker: WorkerParam) -> None:
    """Move activities older than ACTIVITY_RETENTION_DAYS to useractivities_archive."""
    with failing_in_one_line():
        maintenance = worker.open().maintenance
        moved = maintenance.count_old_activities() if config.dry_run else maintenance.archive_activities()
        context.add_output_metadata(_counted(config, "move", "moved", moved))
        if not config.dry_run:
            archived = {"useractivities": {"archived": moved}, "useractivities_archive": {"moved": moved}}
            materialize(context, worker, archived)


@dg.op(out=dg.Out(dg.Nothing), tags={"kind": "python"})
def prune_run_history(context: dg.OpExecutionContext, config: DryRunConfig, worker: WorkerParam) -> None:
    """Remove Dagster's runs that ended more than DAGSTER_RUN_RETENTION_DAYS ago, but for the last of each job."""
    from recurrence_pipeline.orchestration.run_history import remove_old_runs  # noqa: PLC0415 (loads SQL)

    days = worker.settings.dagster_run_retention_days
    own = Own(worker.names, location_of_run(context.run), worker.alone)
    context.add_output_metadata(remove_old_runs(context.instance, days, own, dry_run=config.dry_run))


@dg.config_mapping
def _daily(config: MaintenanceConfig) -> dict[str, Any]:
    parts = dict.fromkeys(("forget_series", "ask_for_missed_slots", "archive_activities", "prune_run_history"))
    dry_run = {"config": {"dry_run": config.dry_run}}
    return {"ops": {"clean_orphans": {"config": config.model_dump()}, **dict.fromkeys(parts, dry_run)}}


@dg.graph(
    description="Delete orphans (with copies), forget series that are long gone, have missed slots retired, archive "
    "old activities, and remove Dagster's old runs. It only counts what it would do until `dry_run` is set to false, "
    "as its schedule does every day.",
)
def daily_maintenance() -> None:  # noqa: D103 (Dagster shows the description above)
    clean_orphans()
    forget_series()
    ask_for_missed_slots()
    archive_activities()
    prune_run_history()


def build_daily_maintenance(names: Names, resources: Resources) -> dg.JobDefinition:
    """Build the job."""
    return daily_maintenance.to_job(
        name=names("daily_maintenance"),
        config=_daily,
        tags=MAINTENANCE_TAG,
        run_tags={},
        resource_defs=resources,
        executor_def=dg.in_process_executor,
    )


def _counted(config: DryRunConfig, verb: str, done: str, count: int) -> dict[str, Any]:
    return {"written": not config.dry_run, (f"would_{verb}" if config.dry_run else done): count}
