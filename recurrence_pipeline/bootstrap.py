"""Settings -> Worker: the composition root, the only place that wires parts together and knows the real clock."""

import random
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Self

from recurrence_pipeline.domain.retries import RetryPolicy
from recurrence_pipeline.settings import Settings
from recurrence_pipeline.storage.activities import Activities
from recurrence_pipeline.storage.audit import Audit
from recurrence_pipeline.storage.deleted import Deleted
from recurrence_pipeline.storage.event_log import EventLog
from recurrence_pipeline.storage.event_metrics import EventMetrics
from recurrence_pipeline.storage.events import Events
from recurrence_pipeline.storage.footing import Footing
from recurrence_pipeline.storage.heartbeats import HeartbeatStore
from recurrence_pipeline.storage.hosts import Hosts
from recurrence_pipeline.storage.importing import SAMPLE_DATA, ImportReport, Progress, import_folder
from recurrence_pipeline.storage.mongo import Listener, Mongo
from recurrence_pipeline.storage.sample import is_empty, sample_loaded, wants_sample
from recurrence_pipeline.storage.schema import SchemaReport, ensure_schema, require_schema
from recurrence_pipeline.storage.series_migration import inherit, revert
from recurrence_pipeline.storage.task_series import TaskSeries
from recurrence_pipeline.storage.tasks import Tasks
from recurrence_pipeline.storage.unannounced import Unannounced
from recurrence_pipeline.storage.watermark import Watermark
from recurrence_pipeline.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.worker.draining import drain
from recurrence_pipeline.worker.kit import Kit, Rules, Step
from recurrence_pipeline.worker.service import WorkerService
from recurrence_pipeline.worker.summary import BatchSummary


def utc_now() -> datetime:
    """Return the time, cut to the millisecond that the database holds."""
    now = datetime.now(timezone.utc)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Worker:
    """An open worker: its settings, its connection, and the service. Close it, or use it as a context manager."""

    def __init__(
        self, settings: Settings, mongo: Mongo, service: WorkerService, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.settings = settings
        self.mongo = mongo
        self.service = service
        self._clock = clock

    def init_db(self) -> SchemaReport:
        """Create what the database lacks; may be run at any time."""
        report = ensure_schema(self.mongo, self.settings)
        if self.service.reconciliation.begin() is not None:
            report.added.append("watermark: what was created before now is reconciled only after `recurrence adopt`")
        self._inherit()
        return report

    def revert(self, *, dry_run: bool) -> int:
        """Write what `task_series` knows back onto the tasks, for an earlier version; return how many series it is."""
        return revert(self.mongo, self.settings, dry_run=dry_run)

    def require_schema(self) -> None:
        """Raise Outage, with a hint, where `init_db` has never been run on this database."""
        require_schema(self.mongo)

    def import_folder(self, folder: Path, progress: Progress = lambda _name, _done, _total: None) -> ImportReport:
        """Load an export; see storage/importing.py.

        Raises:
            InvalidInput: a broken line, or nothing to import; nothing was written.
            Outage: the database is away or not prepared.
        """
        report = import_folder(
            self.mongo,
            folder,
            write_chunk=self.settings.write_chunk,
            progress=progress,
            before_writing=self.service.reconciliation.keep_out_what_comes,
        )
        self._inherit()
        return report

    def _inherit(self) -> None:
        inherit(self.mongo, self.service.reconciliation.mark().watermark, chunk=self.settings.write_chunk)

    def is_empty(self) -> bool:
        """Say whether the database holds nothing of the application's, nor anything that came of it."""
        return is_empty(self.mongo)

    def load_sample(self, *, asked: bool = False) -> ImportReport | None:
        """Load the packaged sample where the database is empty, or it was `asked` for; None where neither is so.

        Call it before anything works on the database: what a crash cuts off, the next call completes, and that must
        not bring back what was deleted meanwhile.
        """
        if not wants_sample(self.mongo, self._clock(), asked=asked):
            return None
        report = self.import_folder(SAMPLE_DATA)
        sample_loaded(self.mongo, self._clock())
        return report

    def drain(
        self,
        *,
        limit: int | None = None,
        until_empty: bool = False,
        go_on: Callable[[BatchSummary], bool] = lambda _: True,
        wait: Callable[[float], None] = time.sleep,
    ) -> BatchSummary:
        """Work off what is due, or with `until_empty` everything unfinished; see worker/draining.py.

        Raises:
            Outage: where the database cannot be worked with.
        """
        return drain(
            self.service,
            batch=self.settings.batch_size,
            limit=limit,
            until_empty=until_empty,
            go_on=go_on,
            wait=wait,
        )

    def close(self) -> None:
        """Close the connections."""
        self.mongo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_worker(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    chance: Callable[[], float] = random.random,
    after_step: Callable[[Step], None] = lambda _: None,
    listeners: Sequence[Listener] = (),
) -> Worker:
    """Wire a worker together. It connects when it is first asked for something.

    From here on the process uses the newest time zone data of this machine; see time_zone_data.py.

    `listeners` are told of every command that is sent to the database.

    Raises:
        ConfigurationError: the URL of the database cannot be used.
    """
    zones = use_newest_time_zone_data()
    mongo = Mongo(settings, listeners=listeners)
    chunks = {"read_chunk": settings.read_chunk, "write_chunk": settings.write_chunk}
    kit = Kit(
        tasks=Tasks(mongo, **chunks),
        series=TaskSeries(mongo, **chunks, time_zone_data=zones.version),
        activities=Activities(mongo, **chunks),
        events=Events(mongo, **chunks),
        event_log=EventLog(mongo, read_chunk=settings.read_chunk),
        event_metrics=EventMetrics(mongo),
        deleted=Deleted(mongo, **chunks),
        unannounced=Unannounced(mongo, read_chunk=settings.read_chunk),
        watermark=Watermark(mongo),
        audit=Audit(mongo, **chunks),
        footing=Footing(mongo, settings),
        hosts=Hosts(mongo, socket.gethostname(), zones),
        heartbeats=HeartbeatStore(mongo),
        rules=Rules(
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
        ),
        clock=clock,
        chance=chance,
        after_step=after_step,
    )
    return Worker(settings, mongo, WorkerService(kit), clock=clock)
