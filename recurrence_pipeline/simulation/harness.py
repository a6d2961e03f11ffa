"""Histories by the thousand, on all cores, each held against every invariant; and one of them told step by step."""

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from os import cpu_count
from traceback import format_exc

from recurrence_pipeline.simulation.acts import ACTS
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline.simulation.invariants import INVARIANTS, Invariant
from recurrence_pipeline.simulation.store import Planner

CHUNK = 100
"""Histories that a process runs before it says how it went."""
MAX_FAILURES = 20
"""With so many it is known that something is wrong."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that a history broke, and how. The same seed breaks it again."""

    seed: int
    invariant: str
    why: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """A history: what happened, step by step, and what was broken by the last step."""

    seed: int
    steps: Sequence[str]
    broken: Broken | None


@dataclass(slots=True)
class Tally:
    """How many histories were run, of how many steps, in which so many tasks were made."""

    histories: int = 0
    steps: int = 0
    tasks: int = 0
    broken: list[Broken] = field(default_factory=list)
    next: int | None = None
    """The seed to go on with: every one before it was run."""

    def __iadd__(self, other: "Tally") -> "Tally":
        self.histories += other.histories
        self.steps += other.steps
        self.tasks += other.tasks
        self.broken += other.broken
        return self


def replay(seed: int, planner: Planner | None = None, invariants: Sequence[Invariant] | None = None) -> Replayed:
    """Run the history of a seed until it ends, or an invariant is broken."""
    return _told(History(seed, planner or Planner()), INVARIANTS if invariants is None else invariants)


def run(seeds: Sequence[int]) -> Tally:
    """Run the histories of these seeds, in this process."""
    tally = Tally()
    for seed in seeds:
        history = History(seed)
        told = _told(history, INVARIANTS)
        tally += Tally(1, len(told.steps), len(history.made), [told.broken] if told.broken else [])
    return tally


def run_on_all_cores(first: int, count: int) -> Iterator[Tally]:
    """Run `count` histories from seed `first` on, and yield the tally so far, again and again.

    It ends early where many are broken.
    """
    chunks = [range(begin, min(begin + CHUNK, first + count)) for begin in range(first, first + count, CHUNK)]
    tally = Tally(next=first)
    if len(chunks) == 1:
        tally += run(chunks[0])
        tally.next = chunks[0].stop
        yield tally
        return
    open_ends = {chunk.stop: chunk.start for chunk in chunks}
    # A fork is a copy of the threads' locks, too: a process that begins anew has none of them. Ctrl-C is for us alone.
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(cpu_count(), mp_context=get_context("spawn"), initializer=ignore) as pool:
        try:
            running = {pool.submit(run, chunk): chunk for chunk in chunks}
            for done in as_completed(running):
                tally += done.result()
                del open_ends[running[done].stop]
                tally.next = min(open_ends.values(), default=first + count)
                yield tally
                if len(tally.broken) >= MAX_FAILURES:
                    return
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _told(history: History, invariants: Sequence[Invariant]) -> Replayed:
    steps, broken, said = list[str](), None, ""
    story = history.steps(ACTS)
    while broken is None:
        try:
            said = next(story, "")
        except Exception:  # noqa: BLE001 (whatever it is, the seed repeats it)
            history.raised = format_exc(limit=-3)
            said = "a worker's planning raises an error"
        if not said:
            break
        steps.append(said)
        broken = _broken(history, invariants)
    return Replayed(history.seed, steps, broken)


def _broken(history: History, invariants: Sequence[Invariant]) -> Broken | None:
    """Look at all invariants, where a worker was here: people break none."""
    if history.visit is None and history.raised is None:
        return None
    for invariant in invariants:
        try:
            why = invariant.broken(history)
        except Exception:  # noqa: BLE001 (as above)
            why = f"looking at it raises an error: {format_exc(limit=-3)}"
        if why is not None:
            return Broken(history.seed, invariant.name, why)
    return None
