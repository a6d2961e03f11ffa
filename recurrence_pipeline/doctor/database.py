"""The doctor's look at the database: is it fit for the work, and is the work being done? Reads only.

Each question is asked by itself, so that one that cannot be answered does not hide the others. What the answers mean
is said in doctor/rules.py.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from recurrence_pipeline.doctor.rules import (
    Clashes,
    HealthCheckResult,
    Work,
    fault,
    judge_check,
    judge_clashes,
    judge_clock,
    judge_data,
    judge_dead_letters,
    judge_hosts,
    judge_parts,
    judge_queue,
    judge_streams,
    judge_version,
    judge_watermark,
    judge_worker,
    judge_writes,
    ok,
)
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.maintenance.checks import (
    CHECKS,
    COUNTERS_BEHIND,
    EVENTS_ENDLESS,
    EVENTS_STUCK,
    SCHEMA,
    SLOT_CLASHES,
)
from recurrence_pipeline.maintenance.consistency import Consistency
from recurrence_pipeline.maintenance.rules import Issue
from recurrence_pipeline.maintenance.scan import ConsistencyScan, ScanProgress
from recurrence_pipeline.monitoring.parts import Parts
from recurrence_pipeline.storage.database_checks import Server
from recurrence_pipeline.storage.heartbeats import Part
from recurrence_pipeline.storage.timeouts import time_limit
from recurrence_pipeline.worker.context import WorkerContext

SIGN_OF_LIFE = timedelta(seconds=5)
COUNTED_AT_MOST = 10_000
LABELS = {
    SCHEMA.name: "schema",
    COUNTERS_BEHIND.name: "counters",
    EVENTS_STUCK.name: "stuck events",
    EVENTS_ENDLESS.name: "endless leases",
}
"""The checks that are part of every look, and what they are called there."""
ERRORS = frozenset(check.name for check in CHECKS if check.severity is Severity.ERROR)
"""Those that one pass over the tasks makes as well, as far as they are about tasks."""


class Diagnostics:
    """Looks at a running system from the side of its database."""

    def __init__(self, context: WorkerContext, consistency: Consistency, parts: Parts) -> None:
        self._context = context
        self._parts = parts
        self._consistency = consistency
        self._scan = ConsistencyScan(context)
        self.dagster: Mapping[str, Any] | None = None
        """Dagster's heartbeat, once it was looked at; None where there is none."""

    def look(self, progress: ScanProgress = lambda _: None) -> Iterator[HealthCheckResult]:
        """Yield what is found; where the database is away, only that. `progress` is told how many tasks were read."""
        try:
            with time_limit(SIGN_OF_LIFE):
                server = self._context.database_checks.server(self._context.clock)
        except RecurrenceError as error:
            advice = (
                "See that the server runs and that MONGODB_URL names it, with a user who may read and write; a server "
                "that speaks TLS only needs tls=true, and tlsCAFile for an authority of one's own."
            )
            yield fault("database", str(error), advice)
            return
        yield ok("database", "answers")
        yield from (judge_version(server), judge_writes(server), judge_clock(server, self._context.rules.lease_margin))
        yield from asked("time zones of hosts", self._hosts)
        yield from asked("parts", lambda: self._judge_parts(server))
        yield from asked("watermark", self._watermark)
        for name, label in LABELS.items():
            yield from asked(label, partial(self._check, name, label))
        yield from asked("queue", self._queue)
        yield from asked("dead letters", self._dead_letters)
        yield from asked("data", lambda: self._data(progress))

    def _judge_parts(self, server: Server) -> list[HealthCheckResult]:
        rows = self._parts.rows()
        self.dagster = next((row for row in rows if row["part"] == Part.DAGSTER.value), None)
        return [judge_parts(rows), judge_streams(rows, server)]

    def _hosts(self) -> list[HealthCheckResult]:
        now, hosts = self._context.clock(), self._context.hosts
        return [judge_hosts(hosts.this, hosts.others(now), now)]

    def _watermark(self) -> list[HealthCheckResult]:
        return [judge_watermark(self._context.watermark.read().watermark, self._context.clock())]

    def _check(self, name: str, label: str) -> list[HealthCheckResult]:
        return [judge_check(result, label) for result in self._consistency.run(only=[name])]

    def _queue(self) -> list[HealthCheckResult]:
        now = self._context.clock()
        queue = self._context.events.queue(now, lease=self._context.rules.lease, at_most=COUNTED_AT_MOST)
        processing = self._count(EventStatus.PROCESSING)
        abandoned = self._context.database_checks.left_since(now).count
        ended = self._context.event_metrics.finished(now - 2 * self._context.rules.lease, now)
        moved = next(iter(ended), None) is not None
        work = Work(queue.due, queue.oldest, max(processing - abandoned, 0), moved)
        return [judge_queue(work, now), judge_worker(work, now, self._context.rules.lease)]

    def _dead_letters(self) -> list[HealthCheckResult]:
        return [judge_dead_letters(self._count(EventStatus.FAILED), self._count(EventStatus.REJECTED))]

    def _count(self, status: EventStatus) -> int:
        counts = self._context.event_queries.count_by_operation_and_status()
        return sum(count for (_, found), count in counts.items() if found == status.value)

    def _data(self, progress: ScanProgress) -> list[HealthCheckResult]:
        """Look at all tasks once, for what the checks call an error and for slots with two tasks."""
        clashes, errors = Clashes(), Counter[str]()
        for issues in self._scan.issues({SLOT_CLASHES.name, *ERRORS}, progress):
            clashes = self._clashes([issue for issue in issues if issue.check is SLOT_CLASHES], clashes)
            errors.update(issue.check.name for issue in issues if issue.check is not SLOT_CLASHES)
        return [judge_data(errors), judge_clashes(clashes, self._context.clock())]

    def _clashes(self, issues: Sequence[Issue], so_far: Clashes) -> Clashes:
        """Add up slots with two tasks, and who made those: this worker numbers its own, the original one does not."""
        of_two, latest = so_far.of_two_workers, so_far.latest
        members = [_members(issue.sample) for issue in issues]
        documents = self._context.tasks.documents({task_id for ids in members for task_id in ids}) if members else {}
        for ids in members:
            tasks = [documents[task_id] for task_id in ids if task_id in documents]
            if len({"occurrenceNumber" in task for task in tasks}) == 2:
                of_two += 1
                latest = _later(latest, (task.get("createdAt") for task in tasks))
        return Clashes(so_far.slots + len(issues), of_two, latest)


def asked(name: str, question: Callable[[], list[HealthCheckResult]]) -> list[HealthCheckResult]:
    """Ask, and return the answer; what makes it fail is the answer too."""
    try:
        return question()
    except RecurrenceError as error:
        advice = "Could not be looked at: repair what the message names."
        return [fault(name, str(error), advice)]


def _members(sample: Any) -> list[str]:
    """Return the occurrences on a slot; the original, slot 0, has no number in either worker."""
    return [task_id for task_id in str(sample["taskIds"]).split(", ") if task_id != sample["seriesId"]]


def _later(so_far: datetime | None, times: Iterable[object]) -> datetime | None:
    known = [time for time in (so_far, *times) if isinstance(time, datetime)]
    return max(known, default=None)
