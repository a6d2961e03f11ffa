"""The parts that are killed or frozen: the database, workers in a terminal, Dagster's daemon with its runs."""

import math
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from subprocess import Popen
from typing import Any
from uuid import uuid4

import dagster as dg
from pymongo import MongoClient

from recurrence_pipeline.local import processes
from recurrence_pipeline.local.dagster_config import shipped
from recurrence_pipeline.local.embedded import EmbeddedServer, FolderInUse
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.marked import MARK, Command
from recurrence_pipeline_tests.waiting import wait_until

WORKER = "import sys; from recurrence_pipeline.cli import main; sys.exit(main())"
SETTINGS = {
    "WORKER_LEASE": "3000",
    "WORKER_LEASE_MARGIN": "500",
    "WORKER_TIMEOUT": "2000",
    "WORKER_BATCH_SIZE": "15",
    "WORKER_RUN_MAX_EVENTS": "150",
    "LOG_LEVEL": "error",
}
LETTING_GO = timedelta(seconds=30)
HOW_STREAMS_BREAK: tuple[Mapping[str, Any], ...] = (
    {"closeConnection": True},
    {"errorCode": 237},  # CursorKilled
    {"errorCode": 286},  # ChangeStreamHistoryLost: the oplog has rolled over
)


@dataclass
class Part:
    """Something that is killed: how to start it, its process, and a mark that its children carry too."""

    name: str
    command: Sequence[str]
    process: "Popen[bytes] | None" = None
    mark: str = field(default_factory=lambda: uuid4().hex)


@dataclass
class Machine:
    """Everything that runs. `killed`, `frozen` and `started` count by kind of part.

    Workers process what is there and end or, where they `follow`, stay; then their streams can be killed, too.
    """

    folder: Path
    workers: int
    daemon: bool
    follow: bool = False
    killed: Counter[str] = field(default_factory=Counter)
    frozen: Counter[str] = field(default_factory=Counter)
    started: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._server: EmbeddedServer | None = None
        self._port = 0
        self._thaws: list[tuple[float, int]] = []
        self._parts = [
            Part("worker", [sys.executable, "-c", WORKER, "process", "--follow" if self.follow else "--until-empty"])
            for _ in range(self.workers)
        ]
        if self.daemon:
            self._parts.append(Part("daemon", [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"]))

    @property
    def kinds(self) -> list[str]:
        """What can be killed."""
        return ["database", "worker", *(["daemon", "run"] if self.daemon else []), *(["stream"] if self.follow else [])]

    @property
    def url(self) -> str:
        """The database; the driver looks for it twice a second."""
        assert self._server is not None
        return f"{self._server.url('chaos')}&heartbeatFrequencyMS=500"

    def prepare(self) -> None:
        """Start the database, and make Dagster's home: its processes must not do so both at once."""
        self.start_database()
        if self.daemon:
            self._make_home()

    def start_database(self) -> None:
        """Start the database on what it left, at the port it had."""

        def start() -> bool:
            try:
                server = EmbeddedServer.start(
                    self.folder / "mongodb",
                    port=self._port,
                    log_file=self._log("database"),
                    arguments=["--enable-test-commands"] if self.follow else [],
                )
            except FolderInUse:  # by the one that was killed just now
                return False
            self._server, self._port = server, server.port
            return True

        wait_until(start, "the database starts", timeout=LETTING_GO)
        self.started["database"] += 1

    def _make_home(self) -> None:
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(shipped(name), self.folder)
        before = Path.cwd()
        os.chdir(self.folder)  # its storage is relative to it
        try:
            dg.DagsterInstance.from_config(str(self.folder)).dispose()
        finally:
            os.chdir(before)

    def tend(self) -> None:
        """Start every part that is not running: what was killed, and what ended because nothing was to do."""
        self.thaw(time.monotonic())
        for part in self._parts:
            if part.process is None or part.process.poll() is not None:
                self._discard(part)
                part.process = self._start(part)
                self.started[part.name] += 1

    def kill(self, kind: str, choice: float) -> bool:
        """Kill -9 one part of a kind, with all its children, if there is one; `choice`, from 0 up to 1, says which."""
        if kind == "stream":
            return self._kill_stream(choice)
        found = self._living(kind)
        if not found:
            return False
        chosen = found[int(choice * len(found))]
        if kind == "database":
            assert self._server is not None
            self._server.kill()
        elif kind == "run":
            _signal(chosen, signal.SIGKILL)
        else:
            self._discard(next(part for part in self._parts if part.process is not None and part.process.pid == chosen))
        self.killed[kind] += 1
        return True

    def freeze(self, kind: str, choice: float, seconds: float) -> bool:
        """Stop one part of a kind in its tracks, if there is one; `tend` lets it go on when that time is over.

        A worker or run that was away for longer than its lease finds that others have its events. A database that
        stands still refuses nothing: whoever asks waits, until a time limit says that it is an outage.
        """
        found = self._living(kind)
        if not found:
            return False
        chosen = found[int(choice * len(found))]
        _signal(chosen, signal.SIGSTOP)
        self._thaws.append((time.monotonic() + seconds, chosen))
        self.frozen[kind] += 1
        return True

    def _kill_stream(self, choice: float) -> bool:
        """Break the next answer to one who listens, in one of the ways in which streams break."""
        how = HOW_STREAMS_BREAK[int(choice * len(HOW_STREAMS_BREAK))]
        with MongoClient[Document](self.url) as client:
            point = {"failCommands": ["getMore"], **how}
            client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=point)
        self.killed["stream"] += 1
        return True

    def thaw(self, now: float = math.inf) -> None:
        """Let go on what has been frozen for its time."""
        for due, pid in self._thaws:
            if due <= now:
                _signal(pid, signal.SIGCONT)
        self._thaws = [(due, pid) for due, pid in self._thaws if due > now]

    def _living(self, kind: str) -> list[int]:
        if kind == "database":
            return [self._server.process.pid] if self._server is not None else []
        if kind == "run":
            return [pid for part in self._parts for pid in self._runs_of(part)]
        return [part.process.pid for part in self._parts if part.name == kind and part.process is not None]

    def stop_working(self) -> None:
        """End everything but the database."""
        for part in self._parts:
            self._discard(part)

    def stop(self) -> None:
        """End everything."""
        self.stop_working()
        if self._server is not None:
            self._server.kill()

    def _start(self, part: Part) -> "Popen[bytes]":
        environment: Mapping[str, Any] = {
            **os.environ, **SETTINGS, "MONGODB_URL": self.url, "DAGSTER_HOME": str(self.folder), MARK: part.mark
        }  # fmt: skip
        with self._log(part.name).open("ab") as output:
            return processes.start(part.command, cwd=self.folder, output=output, environment=environment)

    def _runs_of(self, part: Part) -> list[int]:
        """Return the processes of Dagster's runs, which its code server starts."""
        if part.name != "daemon" or part.process is None:
            return []
        return Command(part.process, self._log(part.name), part.mark).family("multiprocessing.spawn")

    def _discard(self, part: Part) -> None:
        if part.process is not None:
            processes.kill(part.process)
            part.process = None

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
