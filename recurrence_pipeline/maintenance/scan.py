"""One pass over all tasks that recur, judged piece by piece. What is wrong is decided in maintenance/rules.py.

What looks wrong may be work that has just begun: a series is judged again, afresh, after a look that no event of it is
unfinished. What the pass itself has read of a piece is not asked for again: neither originals, nor the parents that
are in it. Memory and commands follow the size of a piece, and time the number of tasks.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import structlog

from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.time_zone_changes import is_ahead
from recurrence_pipeline.maintenance.checks import ORPHANS
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
from recurrence_pipeline.storage.task_changes import TaskChanges
from recurrence_pipeline.worker.context import WorkerContext

A_PIECE = 2500
"""Tasks of the pass that are judged together: many, for parents are looked up for all of them at once."""

SERIES_AT_ONCE = 500
"""Of those, how many series are read, and in memory, at a time."""

FEW = 1000
"""Unfinished events: so many are read in one go."""

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
        unfinished = UnfinishedEvents(self._changes)
        looked_at = 0
        for piece in chunks(self._task_scan.recurring(), A_PIECE):
            found = [issue for task in piece for issue in judge_task(task)]
            sound = {task.id: task for task in piece if task.misread is None}
            if BY_PARENT.intersection(names):
                found += self._by_parent(sound, unfinished)
            if BY_PARENT_TASK.intersection(names):
                found += self._by_parent_task([task for task in sound.values() if task.parent_task_id is not None])
            if BY_SERIES.intersection(names):
                for originals in chunks(filter(_is_original, sound.values()), SERIES_AT_ONCE):
                    found += self._by_series(originals, at, unfinished)
            if BY_CLOCK.intersection(names):
                # Heads stay.
                ahead = [t for t in sound.values() if t.parent_recurring_id is not None and is_ahead(t, at.now)]
                found += [i for change, _ in find_changes(self._context, ahead) for i in judge_clock(change)]
            yield [issue for issue in found if issue.check.name in names]
            looked_at += len(piece)
            progress(looked_at)
            if looked_at % LOGGED_EVERY == 0:
                log.info("tasks checked", tasks=looked_at)

    def _by_parent(self, piece: Mapping[str, Task], unfinished: "UnfinishedEvents") -> Iterator[Issue]:
        found = self._judge_hanging([t for t in piece.values() if t.parent_recurring_id is not None], piece)
        suspects = {task.id: task for task, issue in found if issue.check in PASSING}
        waiting = unfinished.among({*suspects, *_parents(suspects.values())}) if suspects else set()
        settled = [i for i, task in suspects.items() if waiting.isdisjoint((i, task.parent_recurring_id))]
        again = self._tasks.climb(settled)
        yield from (issue for task, issue in found if task.id not in suspects)
        for _, issue in self._judge_hanging([again[i] for i in settled if i in again], {}):
            if issue.check is ORPHANS:
                yield issue

    def _judge_hanging(self, hanging: Sequence[Task], known: Mapping[str, Task]) -> list[tuple[Task, Issue]]:
        """Judge what tasks hang on; of the `known` ones, heads of series are not read again."""
        parents = _parents(hanging)
        heads = {i: known[i] for i in parents & known.keys() if known[i].parent_recurring_id is None}
        above = Snapshot(heads | self._tasks.climb(parents - heads.keys()))
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

    def _by_series(self, originals: Sequence[Task], at: CheckContext, unfinished: "UnfinishedEvents") -> list[Issue]:
        series = self._tasks.series_of(originals)
        found = _judged(series.values(), at)
        suspects = {i for i, issues in found.items() if any(issue.check in PASSING for issue in issues)}
        waiting = unfinished.among(i for suspect in suspects for i in _ids(series[suspect])) if suspects else set()
        busy = {i for i in suspects if not waiting.isdisjoint(_ids(series[i]))}
        found |= {i: [issue for issue in found[i] if issue.check not in PASSING] for i in busy}
        settled = [task for task in originals if task.id in suspects - busy]
        again = self._judge_again(settled, series, at)
        found |= {task.id: again.get(task.id, []) for task in settled}
        return self._but_for_what_was_made(self._not_asked_before(chain.from_iterable(found.values())))

    def _judge_again(
        self, originals: Sequence[Task], seen: Mapping[str, Series], at: CheckContext
    ) -> dict[str, list[Issue]]:
        """Judge series of which no event is unfinished, as they are now.

        What a worker does to a series moves its memory: where that and the original are as they were, so are the
        slots. Of what has moved, or has no memory, everything is read again.
        """
        now = self._tasks.climb(task.id for task in originals)
        known = self._context.series.read(now)
        still = {
            task.id: replace(seen[task.id], original=now[task.id])
            for task in originals
            if now.get(task.id) == task and task.id in known and known[task.id] == seen[task.id].memory
        }
        moved = self._tasks.load(now.keys() - still.keys()).series
        return _judged((*still.values(), *moved.values()), at)

    def _not_asked_before(self, issues: Iterable[Issue]) -> list[Issue]:
        """Leave out the events that were written before: what became of them is on them."""
        found = list(issues)
        asking = {issue.fix.id for issue in found if isinstance(issue.fix, TaskEvent)}
        asked = self._changes.written(asking) if asking else set()
        return [replace(i, fix=None) if isinstance(i.fix, TaskEvent) and i.fix.id in asked else i for i in found]

    def _but_for_what_was_made(self, found: Sequence[Issue]) -> list[Issue]:
        doubtful = {issue.unless_made for issue in found if issue.unless_made is not None}
        made = self._task_scan.made_once(doubtful) if doubtful else set()
        return [issue for issue in found if issue.unless_made not in made]


class UnfinishedEvents:
    """Says which tasks have unfinished events: from a list of all of those while they are few, else task by task."""

    def __init__(self, changes: TaskChanges) -> None:
        self._changes = changes
        self._are_few = True

    def among(self, task_ids: Iterable[str]) -> set[str]:
        """Return which of the tasks have unfinished events now."""
        if self._are_few:
            waiting = self._changes.waiting(at_most=FEW)
            if waiting is not None:
                return waiting.intersection(task_ids)
            self._are_few = False  # in a queue that long it would be counted anew for each piece
        return self._changes.announced(task_ids).waiting


def _judged(series: Iterable[Series], at: CheckContext) -> dict[str, list[Issue]]:
    heads = ((s, s.original) for s in series if s.original is not None and _is_original(s.original))
    return {s.id: list(judge_series(s, original, at)) for s, original in heads}


def _is_original(task: Task) -> bool:
    return task.parent_recurring_id is None and task.repeat_type != "none"


def _parents(tasks: Iterable[Task]) -> set[str]:
    return {task.parent_recurring_id for task in tasks if task.parent_recurring_id is not None}


def _ids(series: Series) -> set[str]:
    return {series.id, *(task.id for task in series.occurrences)}
