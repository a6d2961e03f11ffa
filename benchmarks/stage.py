"""A server, databases on it, and a worker whose commands are counted: what every benchmark stands on."""

import gc
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from pymongo import monitoring

from benchmarks.content import Content, chunks
from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.storage.mongo import Mongo

SERVER = "RECURRENCE_BENCH_MONGODB_URL"
"""Names a real MongoDB to measure against; without it each benchmark starts an embedded one of its own."""


class Commands(monitoring.CommandListener):
    """Counts the commands that are sent: the round trips."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count it."""
        self.sent[f"{event.command_name} {event.command.get(event.command_name)}"] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """It is counted already."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """It is counted already."""


@dataclass(frozen=True, slots=True)
class Database:
    """A server: its URL without a database, and its process where it is an embedded one."""

    url: str
    process: int | None

    def cpu(self) -> float:
        """Return the seconds of CPU the server has used; 0 where it is somebody else's."""
        return processor_seconds(self.process) if self.process else 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work took: seconds on the clock, of our own CPU and of the server's, and round trips."""

    wall: float
    cpu: float
    server_cpu: float
    round_trips: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.wall + other.wall,
            self.cpu + other.cpu,
            self.server_cpu + other.server_cpu,
            self.round_trips + other.round_trips,
        )


def processor_seconds(process: int) -> float:
    """Return the CPU that a process has used, with those of its children that have ended, as Linux counts it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def most_memory() -> float:
    """Return the most memory this process has had, in MB; `ru_maxrss` would count the process that started it too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


@dataclass(slots=True)
class Stage:
    """An open worker on a database of its own."""

    url: str
    database: Database
    worker: Worker
    commands: Commands

    def fill(self, content: Content) -> None:
        """Store what the benchmark begins with."""
        store(self.worker.mongo, content)

    def measure(self, work: Callable[[], Any]) -> Cost:
        """Do the work and say what it took."""
        self.commands.sent.clear()
        gc.collect()
        frozen = gc.get_freeze_count()  # what keeps itself out of collections, as the tests do, stays out of them
        gc.freeze()  # or a look at all that others left in memory falls on this work by chance
        try:
            wall, cpu, server_cpu = time.perf_counter(), time.process_time(), self.database.cpu()
            work()
            return Cost(
                wall=time.perf_counter() - wall,
                cpu=time.process_time() - cpu,
                server_cpu=self.database.cpu() - server_cpu,
                round_trips=self.commands.sent.total(),
            )
        finally:
            if not frozen:
                gc.unfreeze()


def store(mongo: Mongo, content: Content) -> None:
    """Store tasks, what is remembered of their series, and then the events that speak of them."""
    highest = max((task["taskId"] for task in content.tasks), default=0)
    mongo.counters.update_one({"_id": "tasks"}, {"$max": {"sequence_value": highest}})
    stored = ((mongo.tasks, content.tasks), (mongo.series, content.series), (mongo.events, content.events))
    for collection, documents in stored:
        for chunk in chunks(documents):
            collection.insert_many(chunk, ordered=False)


def asked(mongo: Mongo) -> int:
    """Return how many requests the server has had, of whomever (`serverStatus`, "network.numRequests")."""
    return int(mongo.client.admin.command("serverStatus")["network"]["numRequests"])


def free_number(mongo: Mongo) -> int:
    """Return the lowest number that no task has."""
    counter = mongo.counters.find_one({"_id": "tasks"}) or {"sequence_value": 0}
    return int(counter["sequence_value"]) + 1


@contextmanager
def server() -> Iterator[Database]:
    """Give a server: a fresh embedded one unless one is named."""
    if given := os.environ.get(SERVER):
        yield Database(given, None)
        return
    with tempfile.TemporaryDirectory(prefix="recurrence-bench-", ignore_cleanup_errors=True) as folder:
        embedded = EmbeddedServer.start(Path(folder))
        try:
            yield Database(embedded.url(""), embedded.process.pid)
        finally:
            embedded.kill()


@contextmanager
def stage(database: Database, *, large: bool = False, **environment: str) -> Iterator[Stage]:
    """Open a worker on a new database of the server, which is dropped at the end.

    A large one is left to an embedded server, which takes minutes to drop it and is thrown away itself.
    """
    url = urlsplit(database.url)._replace(path=f"/bench_{uuid4().hex[:12]}").geturl()
    commands = Commands()
    settings = Settings.from_environment({"MONGODB_URL": url, "WORKER_TIMEOUT": "120000", **environment})
    with open_worker(settings, listeners=[commands]) as worker:
        worker.init_db()
        try:
            yield Stage(url, database, worker, commands)
        finally:
            if not (large and database.process):
                worker.mongo.drop()
