"""One pass over all tasks that recur, judged piece by piece. What is wrong is decided in maintenance/rules.py.

What looks wrong may be work that has just begun: a series is judged again, afresh, after a look that no event of it is
unfinished. Memory and commands follow the size of a piece, and time the number of tasks.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import structlog

from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.plan import Snapshot
from recurrence_pipeline.domain.time_zone_changes import is_ahead
from recurrence_pipeline.maintenance.checks import ORPHANS, SERIES_BEHIND
from recurrence_pipeline.maintenance.rules import (
    BY_CLOCK,
    BY_PARENT,
    BY_PARENT_TASK,
    BY_SERIES,
    PASSING,
    CheckContext,
    Issue,
    judge_clock,
    judge_hanging,
    judge_series,
    judge_subtask,
    judge_task,
)
from recurrence_pipeline.maintenance.time_zones import find_changes
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.worker.context import WorkerContext

A_PIECE = 500
"""Tasks judged together; the series of all of them are in memory at once."""

LOGGED_EVERY = 50_000

ScanProgress = Callable[[int], None]
"""Is told how many tasks have been looked at."""

log = structlog.get_logger(__name__)


class ConsistencyScan:
    """Finds what is wrong with tasks and series."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._task_scan = context.task_scan
        self._tasks = context.tasks
        self._changes = context.task_changes
        self._watermark = context.watermark
        self._timezone = context.rules.timezone
        self._clock = context.clock

    def issues(self, names: Collection[str], progress: ScanProgress) -> Iterator[list[Issue]]:
        """Yield the issues that the named checks find, piece by piece, in one pass over the tasks."""
        at = CheckContext(self._clock(), self._timezone, self._watermark.read().watermark)
        looked_at = 0
        tasks = self._task_scan.recurring()
        for piece in chunks(tasks, A_PIECE):
            found = [issue for task in piece for issue in judge_task(task)]
            sound = [task for task in piece if task.misread is None]
            if BY_PARENT.intersection(names):
                found += self._by_parent([task for task in sound if task.parent_recurring_id is not None])
            if BY_PARENT_TASK.intersection(names):
                found += self._by_parent_task([task for task in sound if task.parent_task_id is not None])
            if BY_SERIES.intersection(names):
                found += self._by_series(
                    [task.id for task in sound if task.parent_recurring_id is None and task.repeat_type != "none"], at
                )
            if BY_CLOCK.intersection(names):
                ahead = [t for t in sound if t.parent_recurring_id is not None and is_ahead(t, at.now)]  # heads stay
                found += [i for change, _ in find_changes(self._context, ahead) for i in judge_clock(change)]
            yield [issue for issue in found if issue.check.name in names]
            looked_at += len(piece)
            progress(looked_at)
            if looked_at % LOGGED_EVERY == 0:
                log.info("tasks checked", tasks=looked_at)

    def _by_parent(self, hanging: Sequence[Task]) -> Iterator[Issue]:
        found = self._judge_hanging(hanging)
        suspects = {task.id: task for task, issue in found if issue.check in PASSING}
        waiting = self._changes.announced({*suspects, *_parents(suspects.values())}).waiting if suspects else set()
        settled = [i for i, task in suspects.items() if waiting.isdisjoint((i, task.parent_recurring_id))]
        again = self._tasks.climb(settled) if settled else {}
        yield from (issue for task, issue in found if task.id not in suspects)
        for _, issue in self._judge_hanging([again[i] for i in settled if i in again]):
            if issue.check is ORPHANS:
                yield issue

    def _judge_hanging(self, hanging: Sequence[Task]) -> list[tuple[Task, Issue]]:
        above = Snapshot(self._tasks.climb(_parents(hanging)) if hanging else {})
        found = []
        for task in hanging:
            parent_id = task.parent_recurring_id or ""
            head = above.tasks.get(above.series_of(parent_id).id)
            found += [(task, issue) for issue in judge_hanging(task, above.tasks.get(parent_id), head)]
        return found

    def _by_parent_task(self, subtasks: Sequence[Task]) -> Iterator[Issue]:
        parents = {task.parent_task_id for task in subtasks if task.parent_task_id is not None}
        gone = parents - self._tasks.existing(parents) if parents else set()
        left = {task.id: task for task in subtasks if task.parent_task_id in gone}
        still = self._tasks.existing(left) if left else set()  # else both went with a cascade meanwhile
        yield from (judge_subtask(task) for task_id, task in left.items() if task_id in still)

    def _by_series(self, originals: Sequence[str], at: CheckContext) -> Iterator[Issue]:
        found, members = self._judge_series(originals, at)
        suspects = {i for i, issues in found.items() if any(issue.check in PASSING for issue in issues)}
        if suspects:
            announced = self._changes.announced(task_id for i in suspects for task_id in members[i])
            settled = [i for i in suspects if announced.waiting.isdisjoint(members[i])]
            again, _ = self._judge_series(settled, at)
            for i in suspects:
                passed = [issue for issue in found[i] if issue.check not in PASSING]
                found[i] = again.get(i, []) if i in settled else passed
                found[i] = [_asked_before(issue, announced.event_ids) for issue in found[i]]
        yield from self._but_for_what_was_made(issue for issues in found.values() for issue in issues)

    def _judge_series(
        self, originals: Sequence[str], at: CheckContext
    ) -> tuple[dict[str, list[Issue]], Mapping[str, set[str]]]:
        """Return, by series, its issues and the ids of its tasks."""
        if not originals:
            return {}, {}
        snapshot = self._tasks.load(originals)
        series = [snapshot.series_of(i) for i in originals]
        heads = [(s, s.original) for s in series if s.original is not None and s.original.repeat_type != "none"]
        found = {s.id: list(judge_series(s, original, at)) for s, original in heads}
        return found, {s.id: _ids(s) for s, _ in heads}

    def _but_for_what_was_made(self, issues: Iterable[Issue]) -> list[Issue]:
        found = list(issues)
        doubtful = {issue.unless_made for issue in found if issue.unless_made is not None}
        made = self._task_scan.made_once(doubtful) if doubtful else set()
        return [issue for issue in found if issue.unless_made not in made]


def _asked_before(issue: Issue, event_ids: Collection[str]) -> Issue:
    """Return a issue without its event where that was written before: what became of it is on it."""
    if issue.check is SERIES_BEHIND and isinstance(issue.fix, TaskEvent) and issue.fix.id in event_ids:
        return replace(issue, fix=None)
    return issue


def _parents(tasks: Iterable[Task]) -> set[str]:
    return {task.parent_recurring_id for task in tasks if task.parent_recurring_id is not None}


def _ids(series: Series) -> set[str]:
    return {series.id, *(task.id for task in series.occurrences)}
