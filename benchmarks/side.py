"""One build, measured: what `against` runs in the environment of each of the two that it compares.

`python -P side.py BATCH LONE REQUESTS CLIENTS...` with the build's folder as PYTHONPATH prints one line of JSON: the
figures by name. Only what every build has is imported here: its own content, its own stage, its own commands.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks.content import OPERATIONS, content
from benchmarks.stage import Stage, free_number, processor_seconds, server, stage

RECURRENCE = "/internal/worker/tasks/recurrence"
NO_LIMIT = {"RATE_LIMIT_PER_MINUTE": "0", "INTERNAL_API_KEY": "", "HOST": "127.0.0.1"}
LOADED: dict[str, str] = {
    "import of the client, s": "import recurrence_pipeline.client",
    "loading the definitions, s": "import recurrence_pipeline.definitions",
}
STARTS = 60
"""Seconds that an API may take to listen."""

Found = dict[str, float]


def batches(at: Callable[[], Any], count: int) -> Found:
    """Return what an event costs in batches, each operation on a database of its own."""
    found: Found = {}
    for operation in OPERATIONS:
        with at() as here:
            here.fill(content(operation, count))
            cost = here.measure(here.worker.service.process_pending)
            found[f"batch: own CPU of {operation}, us"] = cost.cpu / count * 1e6
            found[f"batch: database's CPU of {operation}, us"] = cost.server_cpu / count * 1e6
            found[f"batch: round trips of {operation}"] = cost.round_trips / count
    return found


def lone(here: Stage, count: int) -> Found:
    """Return what an operation costs that is processed by itself."""
    made = series(here, count)
    found: Found = {}
    for operation in OPERATIONS:

        def all_of_them(asked: str = operation) -> None:
            for task in made:
                here.worker.service.process_task_recurrence(str(task["_id"]), asked, str(task["userId"]))

        cost = here.measure(all_of_them)
        found[f"alone: own CPU of {operation}, ms"] = cost.cpu / count * 1e3
        found[f"alone: round trips of {operation}"] = cost.round_trips / count
    return found


def series(here: Stage, count: int) -> list[dict[str, Any]]:
    """Store originals of which nothing is known yet."""
    made = content("create", count, first_number=free_number(here.worker.mongo))
    made.events.clear()
    here.fill(made)
    return made.tasks


def over_http(here: Stage, requests: int, clients: Sequence[int]) -> Found:
    """Return how fast so many clients are answered side by side, and what a request costs the API."""
    found: Found = {}
    with listening(here.url) as (url, process):
        asked(url, series(here, 3), "create", 1)
        for count in clients:
            made = series(here, max(requests // count, 1) * count)
            for operation in OPERATIONS:
                begun, cpu, of_server = time.perf_counter(), processor_seconds(process), here.database.cpu()
                took = asked(url, made, operation, count)
                wall = time.perf_counter() - begun
                name = f"HTTP, {count} at a time: {{}} of {operation}"
                found[name.format("requests/s")] = len(took) / wall
                found[name.format("p50 ms")] = median(took) * 1e3
                found[name.format("own CPU ms")] = (processor_seconds(process) - cpu) / len(took) * 1e3
                found[name.format("database's CPU ms")] = (here.database.cpu() - of_server) / len(took) * 1e3
    return found


def asked(url: str, tasks: Sequence[dict[str, Any]], operation: str, clients: int) -> list[float]:
    """Have each client ask for its share, one after the other, and return how long each answer took."""

    def share(index: int) -> list[float]:
        took = []
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            for task in tasks[index::clients]:
                body = {"taskId": str(task["_id"]), "operation": operation, "userId": str(task["userId"])}
                begun = time.perf_counter()
                client.post(RECURRENCE, json=body).raise_for_status()
                took.append(time.perf_counter() - begun)
        return took

    with ThreadPoolExecutor(clients) as pool:
        return [each for shares in pool.map(share, range(clients)) for each in shares]


@contextmanager
def listening(database: str) -> Iterator[tuple[str, int]]:
    """Start the build's API, and give its URL and its process."""
    with tempfile.TemporaryDirectory(prefix="recurrence-bench-") as folder:
        log = Path(folder) / "log"
        environment = {**os.environ, **NO_LIMIT, "MONGODB_URL": database, "PORT": "0"}
        with log.open("w") as printed:
            command = [sys.executable, "-m", "recurrence_pipeline", "api"]
            program = subprocess.Popen(command, env=environment, cwd=folder, stdout=printed, stderr=printed)
        try:
            deadline = time.monotonic() + STARTS
            while "Internal API: http://" not in (said := log.read_text()):
                if program.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the API did not listen: {said}")
                time.sleep(0.05)
            yield said.split("Internal API: ")[1].split()[0].rstrip(","), program.pid
        finally:
            program.terminate()
            program.wait()


def loaded() -> Found:
    """Return how long a fresh process takes to load what people wait for: of its processor, in seconds."""
    found: Found = {}
    for name, program in LOADED.items():
        script = f"import time; begun = time.process_time(); {program}; print(time.process_time() - begun)"
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        found[name] = float(done.stdout.split()[-1])
    return found


def main(batch: int, alone: int, requests: int, *clients: int) -> Found:
    """Measure all of it."""
    with server() as database:
        found = batches(lambda: stage(database), batch)
        with stage(database) as here:
            found |= lone(here, alone) | over_http(here, requests, clients)
    return found | loaded()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*map(int, sys.argv[1:]))) + "\n")
