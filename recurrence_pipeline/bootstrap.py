"""Settings -> Worker: the composition root, the only place that wires parts together and knows the real clock."""

import random
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.retries import RetryPolicy
from recurrence_pipeline.follower.looks import QueueLooks, TaskLooks
from recurrence_pipeline.follower.pulse import Pulse
from recurrence_pipeline.follower.service import Follower
from recurrence_pipeline.follower.watcher import Watcher
from recurrence_pipeline.maintenance.cleanup import Maintenance
from recurrence_pipeline.maintenance.consistency import Consistency
from recurrence_pipeline.maintenance.time_zones import TimeZones
from recurrence_pipeline.maintenance.zone_moves import ZoneMoving
from recurrence_pipeline.monitoring.health import Health
from recurrence_pipeline.monitoring.last_day import LastDay
from recurrence_pipeline.monitoring.metrics import Metrics
from recurrence_pipeline.monitoring.parts import Parts
from recurrence_pipeline.queries.calendar import Calendar
from recurrence_pipeline.queries.series_actions import SeriesActions
from recurrence_pipeline.queries.series_list import SeriesList
from recurrence_pipeline.queries.series_story import SeriesStories
from recurrence_pipeline.queries.tasks import Queries
from recurrence_pipeline.reconciliation.backfill import Backfill
from recurrence_pipeline.reconciliation.reconciler import Reconciliation
from recurrence_pipeline.recovery.replay import DeadLetters
from recurrence_pipeline.recovery.restore import Deletions
from recurrence_pipeline.recovery.resume import Resuming
from recurrence_pipeline.shadow.service import Shadow
from recurrence_pipeline.storage.activities import Activities
from recurrence_pipeline.storage.audit_log import AuditLog
from recurrence_pipeline.storage.change_stream import ChangeStreams
from recurrence_pipeline.storage.database_checks import DatabaseChecks
from recurrence_pipeline.storage.deleted_tasks import DeletedTasks
from recurrence_pipeline.storage.event_metrics import EventMetrics
from recurrence_pipeline.storage.event_queries import EventQueries
from recurrence_pipeline.storage.events import Events
from recurrence_pipeline.storage.heartbeats import HeartbeatStore
from recurrence_pipeline.storage.hosts import Hosts
from recurrence_pipeline.storage.import_jsonl import (
    SAMPLE_DATA,
    SAMPLE_OF_RULES,
    ImportProgress,
    ImportReport,
    import_folder,
)
from recurrence_pipeline.storage.mongo import Listener, Mongo
from recurrence_pipeline.storage.sample import is_empty, sample_loaded, wants_sample
from recurrence_pipeline.storage.schema import SchemaReport, ensure_schema, require_schema
from recurrence_pipeline.storage.series_heads import SeriesHeads
from recurrence_pipeline.storage.series_migration import inherit, revert
from recurrence_pipeline.storage.series_pages import SeriesPages
from recurrence_pipeline.storage.shadow_reads import ShadowReads
from recurrence_pipeline.storage.task_changes import TaskChanges
from recurrence_pipeline.storage.task_edits import TaskEdits
from recurrence_pipeline.storage.task_moves import TaskMoves
from recurrence_pipeline.storage.task_scan import TaskScan
from recurrence_pipeline.storage.task_series import TaskSeries
from recurrence_pipeline.storage.tasks import Tasks
from recurrence_pipeline.storage.watermark import Watermark
from recurrence_pipeline.storage.zones import Zones
from recurrence_pipeline.worker.context import WorkerConfig, WorkerContext, WriteStep
from recurrence_pipeline.worker.polling import drain
from recurrence_pipeline.worker.processor import Processor
from recurrence_pipeline.worker.service import WorkerService
from recurrence_pipeline.worker.summary import BatchSummary


class Worker(WorkerService):
    """An open worker: it does the work, and has all that can be asked of it. Close it, or use it as a context manager.

    `queries` answers questions about tasks and events; each of the others is a feature of its own, named for what it
    does. Safe to use from several threads.
    """

    def __init__(self, settings: Settings, mongo: Mongo, context: WorkerContext) -> None:
        processor = Processor(context)
        super().__init__(context, processor)
        self.settings = settings
        self.mongo = mongo
        self.queries = Queries(context)
        self.calendar = Calendar(context)
        self.series_actions = SeriesActions(context, self)
        self.series_list = SeriesList(context)
        self.series_stories = SeriesStories(context, self.queries)
        self.reconciliation = Reconciliation(context)
        self.backfill = Backfill(context, self.reconciliation)
        self.maintenance = Maintenance(context)
        self.consistency = Consistency(context, self.maintenance)
        self.time_zones = TimeZones(context)
        self.zone_moves = ZoneMoving(context)
        self.dead_letters = DeadLetters(context.event_queries, clock=context.clock)
        self.deletions = Deletions(context)
        self.resumption = Resuming(context, processor)
        self.shadow = Shadow(context, ShadowReads(mongo, read_chunk=settings.read_chunk))
        self.parts = Parts(context.heartbeats, context.hosts.this.name)
        self.health = Health(mongo, context.tasks, context.event_queries, self.parts, clock=context.clock)
        self.metrics = Metrics(context.event_metrics, retention=context.rules.event_retention, clock=context.clock)
        self.last_day = LastDay(context.event_metrics, context.event_queries, clock=context.clock)
        self.context = context
        streams = ChangeStreams(mongo) if settings.change_streams else None
        self.watcher, often = Watcher(streams), settings.look_interval
        self.queue_looks = QueueLooks(self.watcher, self.next_due, interval=often, clock=context.clock)
        self.task_looks = TaskLooks(self.reconciliation, self.watcher, interval=often)
        self.follower = Follower(
            self.process_pending,
            self.queue_looks,
            self.task_looks,
            self.watcher,
            Pulse(self.parts, self.watcher),
            batch=settings.batch_size,
        )

    @property
    def service(self) -> Self:
        """The worker itself, for programs that were written when the work had a door of its own."""
        return self

    def tell_host(self) -> None:
        """Leave word that this host works, and with which time zone data; a failure costs nothing."""
        self.context.hosts.tell(self.context.clock())

    def init_db(self) -> SchemaReport:
        """Create what the database lacks; may be run at any time."""
        report = ensure_schema(self.mongo, self.settings)
        if self.context.watermark.store(self.context.clock()) is not None:
            report.added.append("watermark: what was created before now is reconciled only after `recurrence backfill`")
        self._inherit()
        return report

    def revert(self, *, dry_run: bool) -> int:
        """Write what `task_series` knows back onto the tasks, for an earlier version; return how many series it is."""
        return revert(self.mongo, self.settings, dry_run=dry_run)

    def require_schema(self) -> None:
        """Raise DatabaseUnavailable, with a hint, where `init_db` has never been run on this database."""
        require_schema(self.mongo)

    def import_folder(self, folder: Path, progress: ImportProgress = lambda _name, _done, _total: None) -> ImportReport:
        """Load an export; see storage/import_jsonl.py.

        Raises:
            InvalidInput: a broken line, or nothing to import; nothing was written.
            DatabaseUnavailable: the database is away or not prepared.
        """
        report = import_folder(
            self.mongo,
            folder,
            write_chunk=self.settings.write_chunk,
            progress=progress,
            before_writing=lambda: self.context.watermark.keep_out(self.context.clock()),
        )
        self._inherit()
        return report

    def _inherit(self) -> None:
        inherit(self.mongo, self.context.watermark.read().watermark, chunk=self.settings.write_chunk)

    def import_sample(self, progress: ImportProgress = lambda _name, _done, _total: None) -> ImportReport:
        """Load the packaged sample; see `import_folder`."""
        return self.import_folder(SAMPLE_DATA, progress) + self.import_folder(SAMPLE_OF_RULES, progress)

    def is_empty(self) -> bool:
        """Say whether the database holds nothing of the application's, nor anything that came of it."""
        return is_empty(self.mongo)

    def load_sample(self, *, asked: bool = False) -> ImportReport | None:
        """Load the packaged sample where the database is empty, or it was `asked` for; None where neither is so.

        Call it before anything works on the database: what a crash cuts off, the next call completes, and that must
        not bring back what was deleted meanwhile.
        """
        if not wants_sample(self.mongo, self.context.clock(), asked=asked):
            return None
        report = self.import_sample()
        sample_loaded(self.mongo, self.context.clock())
        return report

    def drain(
        self,
        *,
        limit: int | None = None,
        until_empty: bool = False,
        go_on: Callable[[BatchSummary], bool] = lambda _: True,
        wait: Callable[[float], None] = time.sleep,
    ) -> BatchSummary:
        """Process what is due, or with `until_empty` everything unfinished; see worker/polling.py.

        Raises:
            DatabaseUnavailable: where the database cannot be worked with.
        """
        return drain(
            self.process_pending,
            batch=self.settings.batch_size,
            limit=limit,
            unfinished=self.queries.unfinished if until_empty else None,
            go_on=go_on,
            wait=wait,
        )

    def close(self) -> None:
        """Close the connections."""
        self.watcher.close()
        self.mongo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_worker(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    chance: Callable[[], float] = random.random,
    on_step: Callable[[WriteStep], None] = lambda _: None,
    listeners: Sequence[Listener] = (),
) -> Worker:
    """Wire a worker together. It connects when it is first asked for something.

    From here on the process uses the newest time zone data of this machine; see config/time_zone_data.py.

    `listeners` are told of every command that is sent to the database.

    Raises:
        ConfigurationError: the URL of the database cannot be used.
    """
    zone_data = use_newest_time_zone_data()
    mongo = Mongo(settings, listeners=listeners)
    chunks = {"read_chunk": settings.read_chunk, "write_chunk": settings.write_chunk}
    context = WorkerContext(
        tasks=Tasks(mongo, **chunks),
        series=TaskSeries(mongo, **chunks, time_zone_data=zone_data.version),
        series_pages=SeriesPages(mongo, read_chunk=settings.read_chunk),
        series_heads=SeriesHeads(mongo),
        activities=Activities(mongo, **chunks),
        audit=AuditLog(mongo),
        events=Events(mongo, **chunks),
        event_queries=EventQueries(mongo, read_chunk=settings.read_chunk),
        event_metrics=EventMetrics(mongo),
        deleted=DeletedTasks(mongo, **chunks),
        task_changes=TaskChanges(mongo, read_chunk=settings.read_chunk),
        watermark=Watermark(mongo),
        task_scan=TaskScan(mongo, **chunks),
        database_checks=DatabaseChecks(mongo, settings),
        edits=TaskEdits(mongo, **chunks),
        moves=TaskMoves(mongo, read_chunk=settings.read_chunk),
        zones=Zones(mongo, **chunks),
        hosts=Hosts(mongo, socket.gethostname(), zone_data),
        heartbeats=HeartbeatStore(mongo),
        rules=WorkerConfig(
            batch_size=settings.batch_size,
            lease=settings.lease,
            lease_margin=settings.lease_margin,
            retries=RetryPolicy(settings.worker_retry_attempts, settings.worker_retry_delay),
            timezone=settings.recurrence_timezone,
            orphan_limit=settings.orphan_cleanup_limit,
            activity_retention=timedelta(days=settings.activity_retention_days),
            keep_deleted=timedelta(days=settings.keep_deleted_days),
            reconcile_step=settings.reconcile_step,
            event_retention=timedelta(days=settings.event_retention_days),
            follow_edits=settings.follow_edits,
        ),
        clock=clock,
        chance=chance,
        on_step=on_step,
    )
    return Worker(settings, mongo, context)
