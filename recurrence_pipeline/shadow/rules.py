"""What this worker would have made of a series, against what the previous one made. Pure: reading is service.py's.

The series is taken back to the beginning of the window: what was there by then is there, what came since is not. Then
the planner is asked once. A plan does not depend on which event asked, so one look at all that people have done ends in
the same tasks as every event by itself, in its order.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from recurrence_pipeline.domain.errors import Permanent
from recurrence_pipeline.domain.explain import SlotViews
from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.planning import plan_batch
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.validation import creation_time, validate_recurrence
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.domain.words import counted

SETTLED_AFTER = timedelta(minutes=1)
"""A series that changed less than so long ago may still be worked on."""

ANSWERED_WITHIN = timedelta(minutes=1)
"""How long after a creation or completion the previous worker logs what it made."""


class Verdict(str, Enum):
    """What became of a series, from the best to the worst."""

    SAME = "same"
    DIFFERS = "differs"  # a task stands at another time than its slot
    DOUBLED = "it doubled"  # two tasks on one slot, or one further ahead than the series is kept
    LOST = "it lost"  # a slot that is due to have a task has none
    REFUSED = "we would refuse"  # it made tasks of what may not recur


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that the previous worker did otherwise; `at` is the day, `explained` what `recurrence explain` says."""

    verdict: Verdict
    slot: int | None
    at: datetime | None
    text: str
    explained: str = ""
    task_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one series."""

    series_id: str
    user_id: str | None
    title: str
    faults: tuple[Fault, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst that there is to say."""
        order = list(Verdict)
        return max((fault.verdict for fault in self.faults), key=order.index, default=Verdict.SAME)


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: what happened from `since` on, as of `now`; `timezone` is that of series without their own."""

    since: datetime
    now: datetime
    timezone: str | None = None

    def has(self, moment: datetime | None) -> bool:
        """Say whether a moment lies in it."""
        return moment is not None and moment >= self.since


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands beside the tasks of a page: of users, what was done and undone; of tasks, what hangs on them.

    `made` are tasks that are gone, `done` completions of tasks that are open again or gone; times are in seconds since
    1970, from the first to the last.
    """

    made: Mapping[str, Sequence[float]] = field(default_factory=dict)
    done: Mapping[str, Sequence[float]] = field(default_factory=dict)
    nested: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Unjudged(str, Enum):
    """Why nothing is said of a series."""

    QUIET = "nothing happened in the time"
    OURS = "this worker's already"
    UNSETTLED = "changed within the last minute"


def judge(series: Series, window: Window, evidence: Evidence) -> Judgement | Unjudged:
    """Say what became of a series in the window."""
    original = series.original
    if original is None:
        return Unjudged.QUIET
    if series.memory is not None or any(task.occurrence_number is not None for task in series.occurrences):
        return Unjudged.OURS
    tasks = (original, *series.occurrences)
    changes = (time for task in tasks for time in (task.created_at, task.updated_at) if time is not None)
    if max(changes, default=window.since) > window.now - SETTLED_AFTER:
        return Unjudged.UNSETTLED
    triggers = sorted(_triggers(original, tasks, window))
    if not triggers and not any(window.has(task.created_at) for task in series.occurrences):
        return Unjudged.QUIET
    faults = _faults(series, original, window, triggers, evidence)
    return Judgement(series.id, original.user_id, original.title, tuple(faults))


def _triggers(original: Task, tasks: Iterable[Task], window: Window) -> Iterator[datetime]:
    """Yield when the application asked the worker for something: the creation of the original, and completions."""
    if window.has(creation_time(original)):
        yield creation_time(original)
    for task in tasks:
        moment = task.completed_at or task.updated_at
        if task.is_completed and moment is not None and window.has(moment):
            yield moment


def _faults(
    series: Series, original: Task, window: Window, triggers: Sequence[datetime], evidence: Evidence
) -> Iterator[Fault]:
    made = [task for task in series.occurrences if window.has(task.created_at)]
    try:
        if window.has(creation_time(original)):
            validate_recurrence(original, asked_at=creation_time(original), timezone=window.timezone)
        compared = _Compared(series, original, window, made)
    except Permanent as error:
        if made:
            ids = tuple(task.id for task in made)
            yield Fault(Verdict.REFUSED, None, None, f"It made {counted(len(made), 'task')}.", str(error), ids)
        return
    made_and_gone, undone = (lines.get(original.user_id or "", ()) for lines in (evidence.made, evidence.done))
    yield from compared.doubled(undone)
    yield from compared.differing()
    if triggers:
        yield from compared.lost(sorted((*(each.timestamp() for each in triggers), *undone)), made_and_gone)
    for task in made:
        if inside := evidence.nested.get(task.id):
            text = f"A series of {counted(len(inside), 'task')} was begun inside the series, at task {task.id}."
            yield Fault(Verdict.DOUBLED, compared.state.number(task), None, text, "", tuple(inside))


class _Compared:
    """A series as it is, and which slots the planner makes of what people did in it.

    Raises:
        Permanent: the planner refuses.
    """

    def __init__(self, series: Series, original: Task, window: Window, made: Sequence[Task]) -> None:
        self.state = SeriesState(series, original, window.timezone, now=window.now)
        self._views = SlotViews(series, self.state, window.now)
        self._made = {task.id for task in made}
        self._by_slot = defaultdict[int, list[Task]](list)
        for task in series.occurrences:
            if (number := self.state.number(task)) is not None:
                self._by_slot[number].append(task)
        before = [n for n, tasks in self._by_slot.items() if not all(task.id in self._made for task in tasks)]
        self._reach = self._replayed(series, original, window, max(before, default=0))

    def _replayed(self, series: Series, original: Task, window: Window, cursor: int) -> int:
        """Return the highest slot that the planner generates for what was there at the beginning and what is done."""
        members = tuple(
            replace(task, occurrence_number=number)
            for number, tasks in self._by_slot.items()
            for task in tasks[:1]
            if task.is_completed or task.id not in self._made
        )
        begun = Cursor(cursor, original.repeat_type) if members else None
        replay = Series(series.id, original, members, recalled=begun)
        done = [task for task in (original, *members) if task.is_completed]
        named = max(done, key=lambda task: task.occurrence_number or 0, default=original)
        operation = Operation.COMPLETE if done else Operation.CREATE
        event = TaskEvent(
            derived_id(series.id, "shadow"), operation, named.id, creation_time(original), original.user_id
        )
        tasks = {task.id: task for task in (original, *members)}
        plan = plan_batch([event], Snapshot(tasks, {series.id: replay}), now=window.now, timezone=window.timezone)
        for error in plan.refusals.values():
            raise error
        new = [each.slot for each in plan.occurrences if each.slot is not None]
        return max([cursor, *new, *(task.occurrence_number or 0 for task in members)])

    def doubled(self, undone: Sequence[float]) -> Iterator[Fault]:
        """Yield slots with more than one task, and tasks further ahead than the series is kept.

        One that was made in answer to a completion, by the log, that a person has taken back is no fault.
        """
        for number, tasks in sorted(self._by_slot.items()):
            ids = tuple(task.id for task in tasks)
            if self._made.isdisjoint(ids):
                continue
            if len(tasks) > 1:
                yield self._fault(Verdict.DOUBLED, number, f"{counted(len(tasks), 'task')} on slot {number}.", ids)
            elif number > self._reach and not _is_answer(tasks[0].created_at, undone):
                text = f"A task on slot {number}: the series is kept ahead to slot {self._reach}."
                yield self._fault(Verdict.DOUBLED, number, text, ids)

    def differing(self) -> Iterator[Fault]:
        """Yield what was made at another time than its slot."""
        for number, tasks in sorted(self._by_slot.items()):
            for task in tasks:
                due = self._due(number) if task.id in self._made else None
                if due is not None and task.anchor != due:
                    text = f"Slot {number} is {self._local(due)}, and its task at {self._local(task.anchor)}."
                    yield self._fault(Verdict.DIFFERS, number, text, (task.id,), day=task.anchor)

    def lost(self, triggers: Sequence[float], gone: Sequence[float]) -> Iterator[Fault]:
        """Yield slots behind the last task that should have one.

        What was made in answer to a trigger, by the log, and is not there now, a person has deleted.
        """
        first = max(self._by_slot, default=0) + 1
        missing = [n for n in range(first, self._reach + 1) if self._due(n) is not None]
        for number in missing[_answers(triggers, gone) :]:
            yield self._fault(Verdict.LOST, number, f"No task on slot {number}.", ())

    def _fault(self, verdict: Verdict, number: int, text: str, ids: tuple[str, ...], *, day: object = None) -> Fault:
        at = day if isinstance(day, datetime) else self._due(number)
        if at is None:
            return Fault(verdict, number, None, text, "", ids)
        local = at.astimezone(self.state.zone)
        return Fault(verdict, number, at, text, self._views.on(local.date()).text, ids)

    def _due(self, number: int) -> datetime | None:
        """Return when a slot is; None past the end of the series."""
        return next((slot.due for slot in self.state.timed(number, 1) if slot.number == number), None)

    def _local(self, time: object) -> str:
        return f"{time.astimezone(self.state.zone):%a %Y-%m-%d %H:%M}" if isinstance(time, datetime) else str(time)


def _answers(triggers: Iterable[float], moments: Sequence[float]) -> int:
    """Count the moments that follow one of the triggers closely; both are in order, in seconds."""
    count = end = 0
    for trigger in triggers:
        begin = max(end, bisect_left(moments, trigger))
        end = max(begin, bisect_right(moments, trigger + ANSWERED_WITHIN.total_seconds()))
        count += end - begin
    return count


def _is_answer(made: datetime | None, moments: Sequence[float]) -> bool:
    """Say whether a task was made close to one of the moments, whichever the log has first."""
    return made is not None and _answers(((made - ANSWERED_WITHIN).timestamp(), made.timestamp()), moments) > 0
