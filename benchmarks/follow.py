"""A worker that stays (`recurrence process --follow`): how soon a single change is followed, and what it costs at rest.

With a change stream, and without one, when everything is found by looking.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bson import ObjectId

from benchmarks.content import Content, content
from benchmarks.http_latency import percentiles
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import Stage, asked, free_number, processor_seconds, server, stage, store
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.local.supervisor import ManagedProcess, stop

LONGEST_WAIT = 60
"""In seconds, for one change to be followed."""
A_LOOK = 0.005
"""In seconds, between two looks at what has become of a change: short beside what is measured."""
BETWEEN = 0.37
"""In seconds, between two changes: no multiple of what a worker waits between two looks."""
WARM = 12
"""In seconds, until looks are as rare as they get where a stream is alive."""

WITH_AND_WITHOUT: Mapping[str, Mapping[str, str]] = {"with a stream": {}, "without": {"CHANGE_STREAMS": "false"}}


def main(size: Size) -> Figures:
    """Follow with a stream and without, each on a database of its own."""
    rows: list[dict[str, Any]] = []
    resting: list[dict[str, Any]] = []
    for what, environment in WITH_AND_WITHOUT.items():
        with server() as database, stage(database) as at, _follower(at, environment, WARM * size.looks / 50) as program:
            for change, took in _changes(at, size.arrivals, pre_images=not environment).items():
                p50, p95 = percentiles(took)
                rows.append({"what": f"{change}, {what}", "p50 s": p50, "p95 s": p95, "longest s": max(took)})
            resting.append({"at rest": what, **_at_rest(at, program, size.idle)})
    return Figures("A worker that stays (recurrence process --follow)", [*rows, *resting])


@contextmanager
def _follower(at: Stage, environment: Mapping[str, str], warm: float) -> Iterator[ManagedProcess]:
    """Run a follower beside us that has done something already."""
    command = [sys.executable, "-m", "recurrence_pipeline", "process", "--follow"]
    with tempfile.TemporaryDirectory(prefix="recurrence-bench-") as name:
        variables = {**os.environ, **environment, "MONGODB_URL": at.url, "LOG_LEVEL": "error"}
        log = Path(name) / "follower.log"
        program = ManagedProcess.start("follower", command, cwd=Path(name), log=log, environment=variables)
        try:
            _event(at)
            time.sleep(warm)
            yield program
        finally:
            stop([program])


def _changes(at: Stage, count: int, *, pre_images: bool) -> dict[str, list[float]]:
    """Return how long each kind of change took: events beside their tasks, and changes of which nobody tells.

    A deletion is followed where the server tells what was deleted; elsewhere by the orphan cleanup, once a day.
    """
    told = [_event(at) for _ in range(count)]
    stored = [_stored(at) for _ in range(count)]
    originals = [original for original, _ in stored]
    took = {"an event": told, "a task stored": [seconds for _, seconds in stored]}
    took["a completion"] = [_completed(at, original) for original in originals]
    if pre_images and "setName" in at.worker.mongo.client.admin.command("hello"):
        at.worker.mongo.db.command("collMod", "tasks", changeStreamPreAndPostImages={"enabled": True})
        took["a deletion"] = [_deleted(at, original) for original in originals]
    return took


def _event(at: Stage) -> float:
    made = _new_task(at)
    made.events[0]["createdAt"] = made.events[0]["availableAt"] = utc_now()
    return _followed(at, made.tasks[0]["_id"], 3, lambda: store(at.worker.mongo, made))


def _stored(at: Stage) -> tuple[ObjectId, float]:
    made = _new_task(at)
    made.events.clear()
    original = ObjectId(made.tasks[0]["_id"])
    return original, _followed(at, original, 3, lambda: store(at.worker.mongo, made))


def _completed(at: Stage, original: ObjectId) -> float:
    changes = {"$set": {"isCompleted": True, "updatedAt": utc_now()}}
    return _followed(at, original, 4, lambda: at.worker.mongo.tasks.update_one({"_id": original}, changes))


def _deleted(at: Stage, original: ObjectId) -> float:
    return _followed(at, original, 0, lambda: at.worker.mongo.tasks.delete_one({"_id": original}))


def _new_task(at: Stage) -> Content:
    made = content("create", 1, first_number=free_number(at.worker.mongo))
    made.tasks[0]["createdAt"] = made.tasks[0]["updatedAt"] = utc_now()
    return made


def _followed(at: Stage, original: object, occurrences: int, change: Callable[[], object]) -> float:
    """Change something, and return in how many seconds the series had so many occurrences."""
    begin = time.perf_counter()
    change()
    while at.worker.mongo.tasks.count_documents({"parentRecurringId": original}) != occurrences:
        if time.perf_counter() - begin > LONGEST_WAIT:
            raise TimeoutError(f"a change was not followed within {LONGEST_WAIT} s")
        time.sleep(A_LOOK)
    took = time.perf_counter() - begin
    time.sleep(BETWEEN)
    return took


def _at_rest(at: Stage, program: ManagedProcess, seconds: float) -> dict[str, Any]:
    """Return what the database is asked, and how much CPU the worker and the database use, while nothing happens."""
    before = asked(at.worker.mongo), processor_seconds(program.process.pid), at.database.cpu()
    time.sleep(seconds)
    after = asked(at.worker.mongo), processor_seconds(program.process.pid), at.database.cpu()
    requests, cpu, server_cpu = (now - then for now, then in zip(after, before, strict=True))
    return {
        "commands/s": (requests - 1) / seconds,
        "CPU %": cpu / seconds * 100,
        "server CPU %": server_cpu / seconds * 100,
        "seconds": seconds,
    }
