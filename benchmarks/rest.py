"""A system at rest: how soon a single event is processed, what it costs while nothing happens, what a flood starts.

The whole of it runs, with Dagster and the internal API, as `recurrence up` runs it.
"""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.content import content
from benchmarks.http_latency import percentiles
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import SERVER, asked, free_number, processor_seconds, store
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.local.dagster import running_dagster
from recurrence_pipeline.local.stack import LocalStack, running
from recurrence_pipeline.local.supervisor import ManagedProcess

JOB = "process_task_events"
LONGEST_WAIT = 120
"""In seconds, for events to be processed."""


def main(size: Size) -> Figures:
    """Start the system, and look at it in each state."""
    environment = {name: value for name, value in os.environ.items() if name != "MONGODB_URL"}
    environment |= {"PORT": "", "HOST": "", "WORKER_MAX_RUNS": "2", "WORKER_RUN_MAX_EVENTS": "500"}
    environment["WORKER_IDLE_TIMEOUT"] = f"{size.idle_timeout}000"
    if given := os.environ.get(SERVER):
        environment["MONGODB_URL"] = given
    with tempfile.TemporaryDirectory(prefix="recurrence-bench-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        with running(home, environment, lambda _: None) as system:
            system.dagster.wait_until_ready(system.programs)
            arrived(system, 1, 0)  # the first run loads everything
            rows = [
                latency(system, "an event every 2 s", size.arrivals, 2),
                *([latency(system, "an event every 30 s", size.seldom, 30)] if size.seldom else []),
                first_of_all(system, size.rested),
                idle(system, size.idle),
                flood(system, size.flood, most=2),
                storage(home),
            ]
        rows.append(dagster_alone(home, environment, size.idle))
    return Figures("The whole system, at rest and in a flood", rows)


def latency(system: LocalStack, what: str, count: int, pause: float) -> dict[str, Any]:
    """Return how long single events took, from their creation to their outcome."""
    return latencies(what, arrived(system, count, pause))


def latencies(what: str, took: list[float]) -> dict[str, Any]:
    """Return a row of the table."""
    p50, p95 = percentiles(took)
    return {"what": what, "p50 s": p50, "p95 s": p95, "longest s": max(took), "of": len(took)}


def first_of_all(system: LocalStack, count: int) -> dict[str, Any]:
    """Return how long single events took for which a run had to be started."""
    took = []
    for _ in range(count):
        wait_for_rest(system)
        took += arrived(system, 1, 0)
    return latencies("an event after a rest", took)


def arrived(system: LocalStack, count: int, pause: float) -> list[float]:
    """Add events one after the other, and return how long each took."""
    mongo, took = system.worker.mongo, []
    for _ in range(count):
        (event,) = (made := content("create", 1, first_number=free_number(mongo))).events
        event["createdAt"] = event["availableAt"] = now = utc_now()
        store(mongo, made)
        took.append((finished(system, event["_id"]) - now).total_seconds())
        time.sleep(max(pause - took[-1], 0))
    return took


def finished(system: LocalStack, event_id: object) -> datetime:
    """Wait until an event has ended, and return when that was."""
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        found = system.worker.mongo.events.find_one({"_id": event_id}) or {}
        if isinstance(found.get("finishedAt"), datetime):
            return found["finishedAt"]  # type: ignore[no-any-return]
        time.sleep(0.05)
    raise TimeoutError(f"event {event_id} was not processed within {LONGEST_WAIT} s")


def idle(system: LocalStack, seconds: float) -> dict[str, Any]:
    """Return the CPU that programs use while nothing happens, in percent of one core, and what they ask and start."""
    wait_for_rest(system)
    runs = our_runs(system)
    before = asked(system.worker.mongo)
    used = used_by(system.programs, seconds)
    commands = (asked(system.worker.mongo) - before) / seconds
    return {
        "what": f"idle for {seconds} s",
        **used,
        "commands/s": commands,
        "runs": len(our_runs(system).keys() - runs.keys()),
    }


def dagster_alone(home: Path, environment: Mapping[str, str], seconds: int) -> dict[str, Any]:
    """Return the same for Dagster's programs with an empty project: what no project can do without."""
    environment = {**environment, "PYTHONPATH": str(Path(__file__).parents[1])}
    with running_dagster(home / "alone", home, environment, code="benchmarks.empty_project") as dagster:
        time.sleep(seconds / 3)  # it has just begun
        return {"what": f"Dagster without a project, for {seconds} s", **used_by(dagster.programs, seconds)}


def used_by(programs: Sequence[ManagedProcess], seconds: float) -> dict[str, float]:
    """Return the CPU that programs use meanwhile, in percent of one core."""
    before, begin = consumed(programs), time.monotonic()
    time.sleep(seconds)
    after, took = consumed(programs), time.monotonic() - begin
    parts = {f"{name} %": (after[name] - before[name]) / took * 100 for name in before}
    return {"CPU %": sum(parts.values()), **parts}


def wait_for_rest(system: LocalStack) -> None:
    """Return once no run works or lingers."""
    deadline = time.monotonic() + LONGEST_WAIT
    while any(not run.finished for run in system.dagster.runs()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"a run did not end within {LONGEST_WAIT} s")
        time.sleep(0.2)


def consumed(programs: Sequence[ManagedProcess]) -> dict[str, float]:
    """Return the seconds of CPU of each program, and of all that it has started."""
    return {program.name.rsplit(" ", 1)[-1]: of_session(program.process.pid) for program in programs}


def of_session(session: int) -> float:
    """Return the CPU that the processes of a session have used, in seconds."""
    used = 0.0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has just ended, and whoever started it has its time now
                if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                    used += processor_seconds(int(folder.name))
    return used


def our_runs(system: LocalStack) -> dict[str, bool]:
    """Return the ids of the latest runs of the job, and whether each is finished."""
    return {run.id: run.finished for run in system.dagster.runs() if run.job == JOB}


def flood(system: LocalStack, events: int, *, most: int) -> dict[str, Any]:
    """Add many events at once, and return how many runs worked on them at most."""
    store(system.worker.mongo, content("create", events, first_number=free_number(system.worker.mongo)))
    begin, at_once = time.monotonic(), 0
    while system.worker.queries.unfinished():
        at_once = max(at_once, sum(not done for done in our_runs(system).values()))
        if time.monotonic() - begin > LONGEST_WAIT + events / 10:
            raise TimeoutError(f"{events} events were not processed")
        time.sleep(0.2)
    return {"what": f"{events} events at once", "longest s": time.monotonic() - begin, "runs": at_once, "of": most}


def storage(home: Path) -> dict[str, Any]:
    """Return how much Dagster's SQLite files hold of a run."""
    sizes = [path.stat().st_size for path in home.rglob("history/runs/*.db") if path.stem != "index"]
    return {"what": "Dagster's history", "KB/run": sum(sizes) / len(sizes) / 1e3, "of": len(sizes)}
