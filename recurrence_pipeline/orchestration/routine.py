"""What is done again and again: jobs of assets and checks, by the schedule or by hand. When is in schedules.py.

The parts of a job do not depend on each other: one that fails, or asks for a confirmation, keeps no other from running.
"""

import dagster as dg

from recurrence_pipeline.orchestration.assets import worker_health
from recurrence_pipeline.orchestration.checks import orphans, quick_checks, thorough_checks
from recurrence_pipeline.orchestration.maintenance import orphan_cleanup, useractivities_archive
from recurrence_pipeline.orchestration.performance import figures_of_the_day, performance_report
from recurrence_pipeline.orchestration.retention import run_history

ALL_TASKS = dg.AssetSelection.checks(orphans, thorough_checks)
"""The checks that take a pass over all tasks."""

HEALTH = dg.AssetSelection.assets(worker_health) | dg.AssetSelection.checks(quick_checks, figures_of_the_day)

MAINTENANCE_JOB = {"purpose": "maintenance"}

health_checks = dg.define_asset_job(
    "health_checks",
    selection=HEALTH | ALL_TASKS,
    description="Record the health of the worker, and make every check. Runs every 15 minutes by itself; then, where "
    "there are many tasks, without the checks that take a pass over all of them.",
    tags={"purpose": "health"},
)

daily_maintenance = dg.define_asset_job(
    "daily_maintenance",
    selection=HEALTH
    | dg.AssetSelection.assets(orphan_cleanup, useractivities_archive, run_history)
    | dg.AssetSelection.checks(orphans),
    description="Clean up orphans, archive old activities, remove Dagster's old runs, and record the health. "
    "Runs every day by itself.",
    tags=MAINTENANCE_JOB,
)

weekly_maintenance = dg.define_asset_job(
    "weekly_maintenance",
    selection=HEALTH | ALL_TASKS | dg.AssetSelection.assets(performance_report),
    description="Check the consistency of all data, and report on the performance. Runs every week by itself.",
    tags=MAINTENANCE_JOB,
)
