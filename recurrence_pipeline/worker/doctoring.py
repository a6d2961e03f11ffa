"""The doctor's look at the database: is it fit for the work, and is the work being done? Reads only.

Each question is asked by itself, so that one that cannot be answered does not hide the others. What the answers mean
is said in domain/diagnosing.py.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from recurrence_pipeline.domain.checks import COUNTERS_BEHIND, EVENTS_ENDLESS, EVENTS_STUCK, SCHEMA, SLOT_CLASHES
from recurrence_pipeline.domain.diagnosing import (
    Clashes,
    Diagnosis,
    Level,
    Work,
    judge_clashes,
    judge_clock,
    judge_dead_letters,
    judge_finding,
    judge_hosts,
    judge_parts,
    judge_queue,
    judge_version,
    judge_watermark,
    judge_worker,
    judge_writes,
)
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.model import EventStatus
from recurrence_pipeline.storage.limits import within
from recurrence_pipeline.worker.consistency import Consistency
from recurrence_pipeline.worker.kit import Kit
from recurrence_pipeline.worker.parts import Parts
from recurrence_pipeline.worker.survey import Progress, Survey

SIGN_OF_LIFE = timedelta(seconds=5)
COUNTED_AT_MOST = 10_000
LABELS = {
    SCHEMA.name: "schema",
    COUNTERS_BEHIND.name: "counters",
    EVENTS_STUCK.name: "stuck events",
    EVENTS_ENDLESS.name: "endless leases",
}
"""The checks that are part of every look, and what they are called there."""


class Doctoring:
    """Looks at a running system from the side of its database."""

    def __init__(self, kit: Kit, consistency: Consistency, parts: Parts) -> None:
        self._kit = kit
        self._parts = parts
        self._consistency = consistency
        self._survey = Survey(kit)

    def look(self, progress: Progress = lambda _: None) -> Iterator[Diagnosis]:
        """Yield what is found; where the database is away, only that. `progress` is told how many tasks were read."""
        try:
            with within(SIGN_OF_LIFE):
                server = self._kit.footing.server(self._kit.clock)
        except RecurrenceError as error:
            advice = (
                "See that the server runs and that MONGODB_URL names it, with a user who may read and write; a server "
                "that speaks TLS only needs tls=true, and tlsCAFile for an authority of one's own."
            )
            yield Diagnosis("database", Level.ERROR, str(error), advice)
            return
        yield Diagnosis("database", Level.OK, "answers")
        yield from (judge_version(server), judge_writes(server), judge_clock(server, self._kit.rules.lease_margin))
        yield from asked("time zones of hosts", self._hosts)
        yield from asked("parts", lambda: [judge_parts(self._parts.rows())])
        yield from asked("watermark", self._watermark)
        for name, label in LABELS.items():
            yield from asked(label, partial(self._check, name, label))
        yield from asked("queue", self._queue)
        yield from asked("dead letters", self._dead_letters)
        yield from asked("two workers", lambda: [judge_clashes(self._clashes(progress), self._kit.clock())])

    def _hosts(self) -> list[Diagnosis]:
        now, hosts = self._kit.clock(), self._kit.hosts
        return [judge_hosts(hosts.this, hosts.others(now), now)]

    def _watermark(self) -> list[Diagnosis]:
        return [judge_watermark(self._kit.watermark.read().watermark, self._kit.clock())]

    def _check(self, name: str, label: str) -> list[Diagnosis]:
        return [judge_finding(finding, label) for finding in self._consistency.run(only=[name])]

    def _queue(self) -> list[Diagnosis]:
        now = self._kit.clock()
        queue = self._kit.events.queue(now, lease=self._kit.rules.lease, at_most=COUNTED_AT_MOST)
        processing = self._count(EventStatus.PROCESSING)
        abandoned = self._kit.footing.left_since(now).count
        ended = self._kit.event_metrics.finished(now - 2 * self._kit.rules.lease, now)
        moved = next(iter(ended), None) is not None
        work = Work(queue.due, queue.oldest, max(processing - abandoned, 0), moved)
        return [judge_queue(work, now), judge_worker(work, now, self._kit.rules.lease)]

    def _dead_letters(self) -> list[Diagnosis]:
        return [judge_dead_letters(self._count(EventStatus.FAILED), self._count(EventStatus.REJECTED))]

    def _count(self, status: EventStatus) -> int:
        counts = self._kit.event_log.count_by_operation_and_status()
        return sum(count for (_, found), count in counts.items() if found == status.value)

    def _clashes(self, progress: Progress) -> Clashes:
        """Find the slots with two tasks, and who made those: this worker numbers its own, the original one does not."""
        slots, of_two, latest = 0, 0, None
        for defects in self._survey.defects({SLOT_CLASHES.name}, progress):
            slots += len(defects)
            members = [_members(defect.sample) for defect in defects]
            documents = self._kit.tasks.documents({task_id for ids in members for task_id in ids})
            for ids in members:
                tasks = [documents[task_id] for task_id in ids if task_id in documents]
                if len({"occurrenceNumber" in task for task in tasks}) == 2:
                    of_two += 1
                    latest = _later(latest, (task.get("createdAt") for task in tasks))
        return Clashes(slots, of_two, latest)


def asked(name: str, question: Callable[[], list[Diagnosis]]) -> list[Diagnosis]:
    """Ask, and return the answer; what makes it fail is the answer too."""
    try:
        return question()
    except RecurrenceError as error:
        return [Diagnosis(name, Level.ERROR, str(error), "Could not be looked at: mend what the message names.")]


def _members(sample: Any) -> list[str]:
    """Return the occurrences on a slot; the original, slot 0, has no number in either worker."""
    return [task_id for task_id in str(sample["taskIds"]).split(", ") if task_id != sample["seriesId"]]


def _later(so_far: datetime | None, times: Iterable[object]) -> datetime | None:
    known = [time for time in (so_far, *times) if isinstance(time, datetime)]
    return max(known, default=None)
