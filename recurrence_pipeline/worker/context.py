"""What the worker works with: the stores, the rules, a clock and chance. Put together in bootstrap.py."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from recurrence_pipeline.domain.retries import RetryPolicy
from recurrence_pipeline.storage.activities import Activities
from recurrence_pipeline.storage.audit_log import AuditLog
from recurrence_pipeline.storage.database_checks import DatabaseChecks
from recurrence_pipeline.storage.deleted_tasks import DeletedTasks
from recurrence_pipeline.storage.event_metrics import EventMetrics
from recurrence_pipeline.storage.event_queries import EventQueries
from recurrence_pipeline.storage.events import Events
from recurrence_pipeline.storage.heartbeats import HeartbeatStore
from recurrence_pipeline.storage.hosts import Hosts
from recurrence_pipeline.storage.series_heads import SeriesHeads
from recurrence_pipeline.storage.series_pages import SeriesPages
from recurrence_pipeline.storage.task_changes import TaskChanges
from recurrence_pipeline.storage.task_edits import TaskEdits
from recurrence_pipeline.storage.task_moves import TaskMoves
from recurrence_pipeline.storage.task_scan import TaskScan
from recurrence_pipeline.storage.task_series import TaskSeries
from recurrence_pipeline.storage.tasks import Tasks
from recurrence_pipeline.storage.watermark import Watermark
from recurrence_pipeline.storage.zones import Zones


class WriteStep(str, Enum):
    """The groups of writes of a batch, of a restoration, and of moves to another instant."""

    ANNOUNCE = "announce deletions on their events"
    CURSORS_PAST_DELETIONS = "move cursors past what is deleted"
    REVISIONS = "remember revisions of rules"
    SKIPS = "note slots that are not wanted"
    SKIPPED_BACK = "put skipped tasks back"
    OCCURRENCES = "insert occurrences"
    ACTIVITIES = "write activities"
    LINKS = "link the next occurrences"
    EDITS = "move and rewrite untouched occurrences"
    KEEP_RETIRED = "keep copies of what is retired"
    RETIREMENT_ACTIVITIES = "write activities about what is retired"
    RETIRE_SUBTASKS = "delete sub-tasks of what is retired"
    RETIRE = "delete what is retired"
    KEEP_DELETED = "keep copies of what is deleted"
    DELETE_SUBTASKS = "delete sub-tasks of what is deleted"
    DELETE = "delete tasks"
    CURSORS = "move cursors past what is created"
    LOWERED = "take cursors back"
    FAILURES = "write activities about failures"
    OUTCOMES = "record what became of the events"
    RESTORING = "note on the copies what is to be put back"
    REMEMBERED = "remember the series of new originals"
    ORIGINALS_BACK = "put originals back"
    OCCURRENCES_BACK = "put occurrences back"
    RESTORED = "note on the copies what is back"
    MOVED = "move tasks to what their wall clock says"
    MOVES_TOLD = "write activities about moves"
    MOVES_NOTED = "note on the tasks that their users know"
    CLOCKS_MOVED = "count series from the clock of another zone"
    ORIGINALS_MOVED = "set the zone of originals"
    CLOCKS_FOLLOWED = "note what of originals is followed"


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """How the work is done."""

    batch_size: int
    lease: timedelta
    lease_margin: timedelta
    retries: RetryPolicy
    timezone: str
    orphan_limit: int
    activity_retention: timedelta
    keep_deleted: timedelta
    reconcile_step: int
    event_retention: timedelta
    follow_edits: bool


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Everything a batch needs.

    `clock` gives aware UTC times cut to the millisecond, `chance` numbers from 0 up to 1. `after_step` is called after
    each group of writes: where tests crash, freeze and look.
    """

    tasks: Tasks
    series: TaskSeries
    series_pages: SeriesPages
    series_heads: SeriesHeads
    activities: Activities
    audit: AuditLog
    events: Events
    event_queries: EventQueries
    event_metrics: EventMetrics
    deleted: DeletedTasks
    task_changes: TaskChanges
    watermark: Watermark
    task_scan: TaskScan
    database_checks: DatabaseChecks
    edits: TaskEdits
    moves: TaskMoves
    zones: Zones
    hosts: Hosts
    heartbeats: HeartbeatStore
    rules: WorkerConfig
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    on_step: Callable[[WriteStep], None] = lambda _: None
