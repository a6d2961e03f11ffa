"""What is used of Dagster that its authors do not promise to keep: where it has no public way. A test holds each name.

Nothing else in this package imports from a module of Dagster that begins with an underscore, but for what runs its web
server and its daemon in one process (local/dagster_host.py). The version of Dagster is pinned; with a new one, look
here and there first.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

import dagster as dg
import sqlalchemy as sa

# dagster.yaml may name a scheduler, and it must be of this class.
from dagster._core.scheduler import DagsterDaemonScheduler

RUNS, RUN_TAGS = (sa.table(name, sa.column("run_id")) for name in ("runs", "run_tags"))
EVENTS = sa.table(
    "event_logs",
    *map(sa.column, ("id", "run_id", "asset_key", "dagster_event_type", "partition")),
    sa.column("timestamp", sa.DateTime),
)
NO_RUN = ""
"""What stands for the run of an event that a sensor, or the daemon, reports."""
CHECKS = sa.table(
    "asset_check_executions",
    *map(sa.column, ("id", "asset_key", "check_name", "partition", "execution_status")),
    sa.column("create_timestamp", sa.DateTime),
)
"""Tables of Dagster's history, with the columns that are asked for."""

SCHEDULER = DagsterDaemonScheduler


@runtime_checkable
class EventLog(Protocol):
    """Where Dagster has the events of runs, in SQL."""

    def index_connection(self) -> AbstractContextManager[sa.Connection]:
        """Connect to what all runs share."""

    def run_connection(self, run_id: str) -> AbstractContextManager[sa.Connection]:
        """Connect to what a run has: on SQLite a file of its own, else the same."""

    def delete_events_for_run(self, conn: sa.Connection, run_id: str) -> None:
        """Delete the events of a run there."""


@runtime_checkable
class RunRecords(Protocol):
    """Where Dagster has the records of runs, in SQL."""

    def connect(self) -> AbstractContextManager[sa.Connection]:
        """Connect."""


@runtime_checkable
class EventsInFiles(Protocol):
    """Where each run has a file of events of its own, as on SQLite."""

    def path_for_shard(self, run_id: str) -> str:
        """Return the path of a run's file."""


def storages(instance: dg.DagsterInstance) -> tuple[EventLog, RunRecords]:
    """Return where events and records are, which is the same database but on SQLite.

    Raises:
        Failure: they are not in SQL.
    """
    events, records = instance.event_log_storage, instance.run_storage
    if isinstance(events, EventLog) and isinstance(records, RunRecords):
        return events, records
    raise dg.Failure("Dagster's history is not in SQL: it cannot be removed", allow_retries=False)


def folder_of_events(instance: dg.DagsterInstance) -> Path | None:
    """Return the folder in which each run has a file of events; None where they have none."""
    events = instance.event_log_storage
    return Path(events.path_for_shard("any")).parent if isinstance(events, EventsInFiles) else None
