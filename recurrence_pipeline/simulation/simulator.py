"""Years of one series in virtual time: people do their tasks, the worker makes what follows, and it is counted.

Which series, and how many of them, is scenarios.py's; where they live is backends.py's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count, pairwise
from random import Random

from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.simulation.backends import Backend, Made
from recurrence_pipeline.simulation.people import Decision, Deed, People
from recurrence_pipeline.storage.documents import Document, task_from

PERIODS_A_YEAR = 4
"""How finely the number of open tasks is told."""


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
    begin: datetime
    end: datetime
    lives: dict[str, Life] = field(default_factory=dict)
    years: list[Year] = field(default_factory=list)
    retired: int = 0


def simulate(  # noqa: PLR0913 (a series, where it lives, and for how long)
    backend: Backend, original: Document, *, begin: datetime, years: int, people: People, chance: Random, is_alone: bool
) -> Figures:
    """Live through the years of one series, and count.

    Args:
        backend: holds this series alone.
        original: the task as the application stores it; it is due later than `begin`.
        begin: when it is created.
        years: how many years follow, each of 365.25 days.
        people: how they deal with their tasks.
        chance: decides for them.
        is_alone: the series has but one open task at a time, counted from completion; see `People.decide`.
    """
    run = _Run(begin, begin + timedelta(days=365.25) * years, years=[Year() for _ in range(years)])
    agenda: list[tuple[datetime, int, str, Decision]] = []
    order = count()

    def plan(tasks: Iterable[Task], now: datetime) -> None:
        for task in tasks:
            assert isinstance(task.due_date, datetime), "what a worker made has a date"  # noqa: S101
            run.lives[task.id] = Life(task.due_date, now)
            decision = people.decide(task.due_date, now, chance, is_alone=is_alone)
            if decision is not None:
                heappush(agenda, (decision.at, next(order), task.id, decision))

    first = task_from(original)
    plan([first], begin)
    _note(run, made := backend.create(original, begin), begin)
    plan(made.tasks, begin)
    while agenda and agenda[0][0] < run.end:
        now, _, task_id, decision = heappop(agenda)
        life = run.lives[task_id]
        if life.end is not None:  # the worker retired it
            continue
        deed = Deed.COMPLETE if task_id == first.id else decision.deed
        life.end, life.deed = now, deed
        act = backend.complete if deed is Deed.COMPLETE else backend.delete
        _note(run, made := act(task_id, now), now)
        plan(made.tasks, now)
    return _figures(run)


def _note(run: _Run, made: Made, now: datetime) -> None:
    number = min(int((now - run.begin) / (run.end - run.begin) * len(run.years)), len(run.years) - 1)
    run.years[number] += Year(len(made.tasks), made.documents, made.size)
    for task_id in made.removed:
        run.lives[task_id].end = now
    run.retired += len(made.removed)


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
