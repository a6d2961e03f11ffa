"""A worker in a process of its own, which is killed with SIGKILL, or frozen with SIGSTOP, at a named point.

What there is to work on is scenarios.py's business.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import monitoring

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline.worker.service import OperationRequest
from recurrence_pipeline_tests.forked import PATIENCE, server
from recurrence_pipeline_tests.waiting import wait_until

READS = frozenset({"find", "getMore", "killCursors", "aggregate", "count", "distinct", "endSessions", "ping"})
"""Whatever else is sent is taken for a write, so that none goes unnoticed; so is an aggregation that stores something.
"""

Write = tuple[str, str]
"""Command and collection."""


def _ignore(_thing: Any) -> None: ...


class Listener(monitoring.CommandListener):
    """Tells of each write when it is sent, and when it is answered; and of each answer to a look at the tasks."""

    def __init__(
        self,
        *,
        sent: Callable[[Write], None] = _ignore,
        answered: Callable[[Write], None] = _ignore,
        looked: Callable[[None], None] = _ignore,
    ) -> None:
        self._sent = sent
        self._answered = answered
        self._looked = looked
        self._open: dict[int, Write] = {}
        self._looks: set[int] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        name = event.command_name
        stores = any({"$out", "$merge"} & stage.keys() for stage in event.command.get("pipeline", []))
        if name not in READS or (name == "aggregate" and stores):
            self._open[event.request_id] = write = (name, str(event.command[name]))
            self._sent(write)
        elif name in {"find", "aggregate"} and event.command[name] == "tasks":
            self._looks.add(event.request_id)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if (write := self._open.pop(event.request_id, None)) is not None:
            self._answered(write)
        if event.request_id in self._looks:
            self._looks.remove(event.request_id)
            self._looked(None)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._open.pop(event.request_id, None)
        self._looks.discard(event.request_id)


@dataclass(frozen=True, slots=True)
class Work:
    """What the process works on: a database as it stands, at a time, and originals that go while it works.

    `pace` is how long each step takes. Where there is a file `wall_clock`, the time is what stands in it (ISO 8601),
    and goes on for all who read. `asked` are operations that callers wait for, instead of events that wait.
    """

    environment: dict[str, str]
    now: datetime
    doomed: Sequence[ObjectId] = ()
    pace: timedelta = timedelta()
    wall_clock: Path | None = None
    asked: Sequence[OperationRequest] = ()

    def do(self, on_step: Callable[[WriteStep], None], listener: Listener) -> dict[str, int]:
        """Do the work and return what the worker says of it; the application deletes what is doomed meanwhile."""
        steps: list[WriteStep] = []

        def time() -> datetime:
            now = datetime.fromisoformat(self.wall_clock.read_text()) if self.wall_clock else self.now
            return now + self.pace * len(steps)

        def step_done(step: WriteStep) -> None:
            if step is WriteStep.OCCURRENCES and self.doomed:
                with open_worker(worker.settings) as application:
                    application.mongo.tasks.delete_many({"_id": {"$in": list(self.doomed)}})
            steps.append(step)
            on_step(step)

        settings = Settings.from_environment(self.environment)
        worker = open_worker(settings, clock=time, chance=lambda: 0.0, on_step=step_done, listeners=[listener])
        with worker:
            return self._work_off(worker)

    def _work_off(self, worker: Worker) -> dict[str, int]:
        if not self.asked:
            return worker.process_pending().numbers()
        worker.process_requests(self.asked)
        return {}


@dataclass(slots=True)
class Trace:
    """What a calm worker did: its steps in order, the writes before the end of each of them, its looks at the tasks."""

    steps: list[WriteStep] = field(default_factory=list)
    writes: list[list[Write]] = field(default_factory=list)
    rest: list[Write] = field(default_factory=list)
    looks: list[None] = field(default_factory=list)

    @property
    def places(self) -> list[tuple[int, WriteStep]]:
        """The steps in which something was written, each with its number, counted from 1."""
        return [(place, step) for place, step in enumerate(self.steps, 1) if self.writes[place - 1]]

    @property
    def in_order(self) -> list[tuple[WriteStep | None, Write]]:
        """All writes, each with the step it belongs to."""
        steps = [(step, write) for step, writes in zip(self.steps, self.writes, strict=True) for write in writes]
        return [*steps, *((None, write) for write in self.rest)]

    def end(self, step: WriteStep) -> None:
        """Note that a step has ended."""
        self.steps.append(step)
        self.writes.append(list(self.rest))
        self.rest.clear()


def trace(work: Work) -> Trace:
    """Do the work here, without a crash, and say what was done."""
    seen = Trace()
    work.do(seen.end, Listener(sent=seen.rest.append, looked=seen.looks.append))
    return seen


def killed_after_step(work: Work, place: int) -> None:
    """Do the work in a process that is killed at the end of its step number `place`, counted from 1."""
    _kill(work, place, None)


def killed_after_write(work: Work, place: int) -> None:
    """Do the work in a process that is killed when its write number `place` has been answered, counted from 1."""
    _kill(work, None, place)


@dataclass(slots=True)
class Woken:
    """What a process that was frozen said of its work, once it had come to its end."""

    numbers: dict[str, int] = field(default_factory=dict)


@contextmanager
def frozen_before_write(work: Work, place: int) -> Iterator[Woken]:
    """Do the work in a process that is frozen when it is about to send its write number `place`, counted from 1.

    At the end of the block it goes on, and comes to its end.
    """
    yield from _frozen(work, last_write=place)


@contextmanager
def frozen_after_step(work: Work, place: int) -> Iterator[Woken]:
    """Do the work in a process that is frozen at the end of its step number `place`, counted from 1."""
    yield from _frozen(work, last_step=place)


@contextmanager
def frozen_after_look(work: Work, place: int) -> Iterator[Woken]:
    """Do the work in a process that is frozen when it has read from `tasks` for the time number `place`, from 1."""
    yield from _frozen(work, last_look=place)


def _frozen(work: Work, **places: int) -> Iterator[Woken]:
    ours, theirs = server.Pipe(duplex=False)
    process = server.Process(target=_work_and_freeze, args=(work, theirs), kwargs=places)
    process.start()
    theirs.close()
    woken = Woken()
    with ours:
        try:
            wait_until(lambda: _state(process.pid) == "T", "the worker is frozen")
            yield woken
            os.kill(process.pid or 0, signal.SIGCONT)
            process.join(PATIENCE)
            assert process.exitcode == 0, f"the process ended with {process.exitcode}"
            woken.numbers = ours.recv()
        finally:
            process.kill()
            process.join()


def _state(pid: int | None) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _work_and_freeze(
    work: Work,
    told: Connection,
    last_step: int | None = None,
    last_write: int | None = None,
    last_look: int | None = None,
) -> None:
    steps, writes, looks = (_Fuse(last, signal.SIGSTOP) for last in (last_step, last_write, last_look))
    told.send(work.do(steps.burn, Listener(sent=writes.burn, looked=looks.burn)))


def _kill(work: Work, *places: int | None) -> None:
    process = server.Process(target=_work_and_die, args=(work, *places))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL, f"the process ended with {process.exitcode}"


def _work_and_die(work: Work, last_step: int | None, last_write: int | None) -> None:
    steps, writes = _Fuse(last_step, signal.SIGKILL), _Fuse(last_write, signal.SIGKILL)
    work.do(steps.burn, Listener(answered=writes.burn))


class _Fuse:
    """Sends this process a signal when it has been told of so many things."""

    def __init__(self, length: int | None, number: signal.Signals) -> None:
        self._left = length
        self._number = number

    def burn(self, _thing: object) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._number)
