"""Years of one series in virtual time: people do their tasks, the worker makes what follows, and it is counted.

Which series, and how many of them, is scenarios.py's; where they live is backends.py's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import pairwise
from random import Random

from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.recurrence import Missed, Recurrence, read_recurrence
from recurrence_pipeline.simulation.backends import Backend, Made
from recurrence_pipeline.simulation.people import Deed, People
from recurrence_pipeline.storage.documents import Document, task_from

PERIODS_A_YEAR = 4
"""How finely the number of open tasks is told."""


NOTICED = timedelta(hours=1)
"""How long it takes until a worker notices that the time of a slot has come."""


@dataclass(slots=True)
class Life:
    """A task from when it was there to when it was no longer open."""

    due: datetime
    begin: datetime
    end: datetime | None = None
    deed: Deed | None = None


@dataclass(slots=True)
class Year:
    """What the worker wrote in a year of the series."""

    tasks: int = 0
    documents: int = 0
    size: int = 0
    """Bytes of BSON."""

    def __iadd__(self, other: "Year") -> "Year":
        self.tasks += other.tasks
        self.documents += other.documents
        self.size += other.size
        return self


@dataclass(slots=True)
class Figures:
    """What came of a series. Tasks count with the original; `open` is the mean number of open ones, by period."""

    years: list[Year]
    open: list[float]
    tasks: int = 0
    completed: int = 0
    deleted: int = 0
    missed: int = 0
    """Still open when the next one was due."""
    retired: int = 0
    """Removed by the worker."""
    most_open: int = 0


@dataclass(slots=True)
class _Run:
    backend: Backend
    begin: datetime
    end: datetime
    people: People
    chance: Random
    recurrence: Recurrence
    years: list[Year]
    lives: dict[str, Life] = field(default_factory=dict)
    agenda: list[tuple[datetime, int, str, Deed | None]] = field(default_factory=list)
    """What happens when, of which task; None: the worker comes because its time has come."""
    open: set[str] = field(default_factory=set)
    retired: int = 0

    def is_any_missed(self, task_id: str) -> bool:
        """Say whether a task is still open that was due before this one."""
        return any(self.lives[each].due < self.lives[task_id].due for each in self.open)

    def follow(self, tasks: Iterable[Task], now: datetime) -> None:
        """Decide what becomes of new tasks."""
        for task in tasks:
            assert isinstance(task.due_date, datetime), "what a worker made has a date"  # noqa: S101
            self.lives[task.id] = Life(task.due_date, now)
            self.open.add(task.id)
            is_alone = self.recurrence.from_completion
            decision = self.people.decide(task.due_date, now, self.chance, is_alone=is_alone)
            if decision is not None:
                self._note(decision.at, task.id, decision.deed)
            if self.recurrence.missed is not Missed.EACH:
                self._note(max(task.due_date + NOTICED, now + NOTICED), task.id, None)

    def _note(self, at: datetime, task_id: str, deed: Deed | None) -> None:
        heappush(self.agenda, (at, len(self.lives) * 2 + (deed is None), task_id, deed))

    def note(self, made: Made, now: datetime) -> None:
        """Count what the worker did."""
        number = min(int((now - self.begin) / (self.end - self.begin) * len(self.years)), len(self.years) - 1)
        self.years[number] += Year(len(made.tasks), made.documents, made.size)
        self.follow(made.tasks, now)
        for task_id in made.removed:
            self.lives[task_id].end = now
            self.open.discard(task_id)
        self.retired += len(made.removed)


def simulate(
    backend: Backend, original: Document, *, begin: datetime, years: int, people: People, chance: Random
) -> Figures:
    """Live through the years of one series, and count.

    Args:
        backend: holds this series alone.
        original: the task as the application stores it; it is due later than `begin`.
        begin: when it is created.
        years: how many years follow, each of 365.25 days.
        people: how they deal with their tasks.
        chance: decides for them.
    """
    end = begin + timedelta(days=365.25) * years
    first = task_from(original)
    recurrence = read_recurrence(first.repeat_type, first.recurrence)
    run = _Run(backend, begin, end, people, chance, recurrence, years=[Year() for _ in range(years)])
    run.follow([first], begin)
    run.note(backend.create(original, begin), begin)
    while run.agenda and run.agenda[0][0] < end:
        now, _, task_id, deed = heappop(run.agenda)
        if deed is None:
            if run.is_any_missed(task_id):
                run.note(backend.visit(now), now)
        elif (life := run.lives[task_id]).end is None:  # the worker may have retired it
            run.open.discard(task_id)
            life.end, life.deed = now, Deed.COMPLETE if task_id == first.id else deed
            act = backend.complete if life.deed is Deed.COMPLETE else backend.delete
            run.note(act(task_id, now), now)
    return _figures(run)


def _figures(run: _Run) -> Figures:
    lives = sorted(run.lives.values(), key=lambda life: life.due)
    missed = sum(1 for life, later in pairwise(lives) if later.due < run.end and not _closed_by(life, later.due))
    found, most = _open(run, lives)
    deeds = [life.deed for life in lives]
    return Figures(
        run.years,
        found,
        tasks=len(lives),
        completed=deeds.count(Deed.COMPLETE),
        deleted=deeds.count(Deed.DELETE),
        missed=missed,
        retired=run.retired,
        most_open=most,
    )


def _closed_by(life: Life, time: datetime) -> bool:
    return life.end is not None and life.end <= time


def _open(run: _Run, lives: Iterable[Life]) -> tuple[list[float], int]:
    """Return how many tasks were open in each period, on average, and how many at most at once."""
    size = (run.end - run.begin) / (len(run.years) * PERIODS_A_YEAR)
    sums = [timedelta(0)] * (len(run.years) * PERIODS_A_YEAR)
    now, there, most = run.begin, 0, 0
    for time, change in _changes(run, lives):
        for number, span in _periods(now - run.begin, time - run.begin, size):
            sums[number] += span * there
        most = max(most, there if time > now else 0)
        now, there = time, there + change
    return [total / size for total in sums], most


def _changes(run: _Run, lives: Iterable[Life]) -> list[tuple[datetime, int]]:
    changes = [(life.begin, 1) for life in lives] + [(life.end, -1) for life in lives if life.end is not None]
    return sorted([*changes, (run.end, 0)])


def _periods(begin: timedelta, end: timedelta, size: timedelta) -> Iterator[tuple[int, timedelta]]:
    """Yield how much of a span lies in each period."""
    while begin < end:
        number = begin // size
        until = min(size * (number + 1), end)
        yield number, until - begin
        begin = until
