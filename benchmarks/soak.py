"""`python -m benchmarks.soak --hours 6`: the whole system under a small steady load, and whether it ends as it began.

`recurrence up` runs in a folder of its own. Every few seconds one event is written, of series that begin, are completed
and are deleted again, so that what is stored at the end is what is kept on purpose. Once a minute is written down what
each program has; at the end, or at Ctrl-C, the beginning stands beside the end. Each minute goes to a file at once.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from rich.console import Console

from benchmarks.content import OPERATIONS, content
from benchmarks.http_latency import percentiles
from benchmarks.programs import stored, usage
from benchmarks.report import RESULTS, Figures, circumstances, show
from benchmarks.stage import free_number, store
from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.local import processes
from recurrence_pipeline.local.up_file import KEPT_IN, UpFile, read_up_file
from recurrence_pipeline.storage.documents import Document

STARTS_WITHIN = timedelta(minutes=5)
ENDS_WITHIN = timedelta(minutes=2)
LONGEST_WAIT = timedelta(minutes=2)
"""For one event. Longer is written down as this long."""
EDGE = 10
"""Minutes that are the beginning, and the end; a third of all where there are fewer than three times as many."""
HEALTH = "/internal/worker/health"
OURS = ("MONGODB_URL", "PORT", "HOST", "INTERNAL_API_KEY", "DAGSTER_HOME")
"""Variables that would make it another system than the one that `recurrence up` is by itself."""

Sample = dict[str, float]


@dataclass(slots=True)
class Watched:
    """A running `recurrence up`, with the folder that it keeps everything in, and what has been seen of it."""

    home: Path
    up: UpFile
    worker: Worker
    samples: list[Sample] = field(default_factory=list)

    def sample(self, minute: float, latencies: Sequence[float]) -> Sample:
        """Write down what there is now."""
        found: Sample = {"minute": minute, "load of the machine": os.getloadavg()[0]}
        for name, process in {"up": self.up.pid, **(read_up_file(self.home) or self.up).pids}.items():
            used, short = usage(process), name.removeprefix("the ")
            found |= {f"{short}: MB": used.memory, f"{short}: handles": used.handles}
            found |= {f"{short}: threads": used.threads, f"{short}: processes": used.processes}
        kept = self.home / KEPT_IN
        for name, folder in (("logs", kept / "logs"), ("history", kept / "dagster"), ("stored", kept / "mongodb")):
            files, size = stored([folder])
            found |= {f"{name}: files": files, f"{name}: MB on disk": size}
        mongo = self.worker.mongo
        for collection in (mongo.tasks, mongo.series, mongo.events, mongo.activities, mongo.deleted):
            found[f"documents in {collection.name}"] = collection.estimated_document_count()
        found["answer of the API, ms"] = self.answered()
        if latencies:
            found["an event, p50 ms"], found["an event, p95 ms"] = (1e3 * each for each in percentiles(list(latencies)))
        return found

    def answered(self) -> float:
        """Return how long the API takes to say how it is."""
        begin = time.perf_counter()
        httpx.get(self.up.api_url + HEALTH, timeout=60, trust_env=False)
        return (time.perf_counter() - begin) * 1e3


@contextmanager
def watched(home: Path) -> Iterator[Watched]:
    """Start `recurrence up` in a folder, and stop it at the end."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    with (home / "up.log").open("ab") as output:
        command = [sys.executable, "-m", "recurrence_pipeline", "up"]
        process = processes.start(command, cwd=home, output=output, environment=environment)
        try:
            ready = processes.poll(lambda: read_up_file(home) or process.poll() is not None, STARTS_WITHIN)
            up = read_up_file(home)
            if not ready or up is None or up.mongodb_url is None:
                raise RuntimeError(f"recurrence up did not start: {(home / 'up.log').read_text()}")
            with open_worker(Settings.from_environment({"MONGODB_URL": up.mongodb_url})) as worker:
                yield Watched(home, up, worker)
        finally:
            process.send_signal(signal.SIGINT)
            processes.ended(process, ENDS_WITHIN)
            processes.kill(process)


def lives(worker: Worker) -> Iterator[Document]:
    """Write the events of series that begin, are completed and go, one at a time, and yield each."""
    while True:
        (original,) = (made := content("create", 1, first_number=free_number(worker.mongo))).tasks
        made.events.clear()
        store(worker.mongo, made)
        for operation in OPERATIONS:
            if operation == "complete":
                worker.mongo.tasks.update_one({"_id": original["_id"]}, {"$set": {"isCompleted": True}})
            if operation == "delete":
                worker.mongo.tasks.delete_one({"_id": original["_id"]})
            (event,) = content(operation, 1).events
            now = utc_now()
            event |= {"taskId": original["_id"], "userId": original["userId"], "createdAt": now, "availableAt": now}
            worker.mongo.events.insert_one(event)
            yield event


def latency(worker: Worker, event: Document) -> float:
    """Return how many seconds an event took from its creation to its outcome."""

    def finished() -> bool:
        event.update(worker.mongo.events.find_one({"_id": event["_id"]}) or {})
        return "finishedAt" in event

    if not processes.poll(finished, LONGEST_WAIT, pause=0.05):
        return LONGEST_WAIT.total_seconds()
    took: timedelta = event["finishedAt"] - event["createdAt"]
    return took.total_seconds()


def soak(at: Watched, length: timedelta, pause: float, every: float, kept: Path) -> None:
    """Load the system for so long, and write down what it has each so many seconds."""
    begin, events = time.monotonic(), lives(at.worker)
    took: list[float] = []
    for number in count(1):
        while (passed := time.monotonic() - begin) < number * every:
            took.append(latency(at.worker, next(events)))
            time.sleep(max(min(pause - took[-1], begin + number * every - time.monotonic()), 0))
        at.samples.append(at.sample(passed / 60, took))
        took.clear()
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(at.samples[-1]) + "\n")
        if passed >= length.total_seconds():
            return


def compared(samples: Sequence[Sample]) -> Figures:
    """Return the beginning beside the end: the median of some minutes each, and the most there ever was."""
    edge = max(1, min(EDGE, len(samples) // 3))
    first, last = samples[:edge], samples[-edge:]
    rows: list[dict[str, Any]] = []
    for name in [name for name in samples[-1] if name != "minute"]:
        values = [sample[name] for sample in samples if name in sample]
        begin, end = (median([sample[name] for sample in part if name in sample] or values) for part in (first, last))
        rows.append({"what": name, "beginning": begin, "end": end, "most": max(values), "more": end - begin})
    minutes = samples[-1]["minute"]
    title = f"{minutes:.0f} minutes of `recurrence up`; beginning and end are {counted(edge, 'sample')} each"
    return Figures(title, [{name: float(v) if name != "what" else v for name, v in row.items()} for row in rows])


def main(arguments: Sequence[str]) -> int:
    """Run it for so many hours, or until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="The system under a small load.")
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds from one event to the next")
    parser.add_argument("--every", type=float, default=60.0, help="seconds from one look to the next")
    parser.add_argument("--keep", type=Path, default=RESULTS / "soak.jsonl", help="gets a line of JSON at each look")
    chosen = parser.parse_args(arguments)
    chosen.keep.parent.mkdir(parents=True, exist_ok=True)
    chosen.keep.write_text(json.dumps(circumstances()) + "\n", encoding="utf-8")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    temporary = tempfile.TemporaryDirectory(prefix="recurrence-soak-", ignore_cleanup_errors=True)
    with temporary as name, watched(Path(name)) as at:
        try:
            soak(at, timedelta(hours=chosen.hours), chosen.pause, chosen.every, chosen.keep)
        except KeyboardInterrupt:
            sys.stderr.write("Stopped: this is what there is\n")
        samples = at.samples
    if samples:
        show(compared(samples), Console(width=max(Console().width, 100)))
    return 0 if samples else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
