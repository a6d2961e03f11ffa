"""A worker in a process of its own, which is killed with SIGKILL, or frozen with SIGSTOP, at a named point.

The processes are forked from a server that has imported everything and opened nothing, so that one costs little.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import monitoring

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.settings import Settings
from recurrence_pipeline.worker.kit import Step
from recurrence_pipeline_tests.waiting import wait_until

WRITES = frozenset({"insert", "update", "delete", "findAndModify"})

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload([__name__])


class Watch(monitoring.CommandListener):
    """Sees every write command that the server has answered, and what step ends after it."""

    def __init__(self, written: Callable[[str], None]) -> None:
        self._written = written

    def started(self, event: monitoring.CommandStartedEvent) -> None: ...

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.command_name in WRITES:
            self._written(event.command_name)

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


class Targets(monitoring.CommandListener):
    """Notes (command, collection) of every write that is sent."""

    def __init__(self, sent: Callable[[tuple[str, str]], None]) -> None:
        self._sent = sent

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in WRITES:
            self._sent((event.command_name, str(event.command[event.command_name])))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """What the process works on: a database as it stands, at a time, and originals that go while it works.

    Where there is a file `wall_clock`, the time is what stands in it instead (ISO 8601), and goes on for all who read.
    """

    environment: dict[str, str]
    now: datetime
    doomed: Sequence[ObjectId] = ()
    wall_clock: Path | None = None

    def time(self) -> datetime:
        """Tell the time."""
        return datetime.fromisoformat(self.wall_clock.read_text()) if self.wall_clock else self.now

    def worker(self, after_step: Callable[[Step], None], listener: monitoring.CommandListener) -> Worker:
        """Open the worker; the application deletes the doomed originals as soon as occurrences are inserted."""

        def step_done(step: Step) -> None:
            if step is Step.OCCURRENCES and self.doomed:
                with open_worker(worker.settings) as application:
                    application.mongo.tasks.delete_many({"_id": {"$in": list(self.doomed)}})
            after_step(step)

        worker = open_worker(
            Settings.from_environment(self.environment),
            clock=self.time,
            chance=lambda: 0.0,
            after_step=step_done,
            listeners=[listener],
        )
        return worker


@dataclass(slots=True)
class Trace:
    """What a calm worker did: its steps in order, and the writes that were sent before the end of each of them."""

    steps: list[Step] = field(default_factory=list)
    writes: list[list[tuple[str, str]]] = field(default_factory=list)
    rest: list[tuple[str, str]] = field(default_factory=list)

    @property
    def commands(self) -> int:
        """How many writes there were."""
        return sum(map(len, self.writes)) + len(self.rest)

    def end(self, step: Step) -> None:
        """Note that a step has ended."""
        self.steps.append(step)
        self.writes.append(list(self.rest))
        self.rest.clear()


def trace(work: Work) -> Trace:
    """Do the work here, without a crash, and say what was done."""
    seen = Trace()
    with work.worker(seen.end, Targets(seen.rest.append)) as worker:
        worker.service.process_pending()
    return seen


def killed_after_step(work: Work, place: int) -> None:
    """Do the work in a process that is killed at the end of its step number `place`, counted from 1."""
    _kill(work, place, None)


def killed_after_write(work: Work, place: int) -> None:
    """Do the work in a process that is killed when its write number `place` has been answered, counted from 1."""
    _kill(work, None, place)


@contextmanager
def frozen_before_write(work: Work, place: int) -> Iterator[None]:
    """Do the work in a process that is frozen when it is about to send its write number `place`, counted from 1.

    At the end of the block it goes on, and comes to its end.
    """
    yield from _frozen(work, None, place)


@contextmanager
def frozen_after_step(work: Work, place: int) -> Iterator[None]:
    """Do the work in a process that is frozen at the end of its step number `place`, counted from 1."""
    yield from _frozen(work, place, None)


def _frozen(work: Work, *places: int | None) -> Iterator[None]:
    process = _server.Process(target=_work_and_freeze, args=(work, *places))
    process.start()
    try:
        wait_until(lambda: _state(process.pid) == "T", "the worker is frozen")
        yield
        os.kill(process.pid or 0, signal.SIGCONT)
        process.join(60)
        assert process.exitcode == 0
    finally:
        process.kill()


def _state(pid: int | None) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _work_and_freeze(work: Work, last_step: int | None, last_write: int | None) -> None:
    steps, writes = _Fuse(last_step, signal.SIGSTOP), _Fuse(last_write, signal.SIGSTOP)
    with work.worker(steps.burn, Targets(writes.burn)) as worker:
        worker.service.process_pending()


def _kill(work: Work, *places: int | None) -> None:
    process = _server.Process(target=_work_and_die, args=(work, *places))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, f"the process ended with {process.exitcode}"


def _work_and_die(work: Work, last_step: int | None, last_write: int | None) -> None:
    steps, writes = _Fuse(last_step), _Fuse(last_write)
    with work.worker(steps.burn, Watch(writes.burn)) as worker:
        worker.service.process_pending()


class _Fuse:
    """Sends this process a signal when it has been told of so many things."""

    def __init__(self, length: int | None, number: signal.Signals = signal.SIGKILL) -> None:
        self._left = length
        self._number = number

    def burn(self, _thing: Any) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._number)
