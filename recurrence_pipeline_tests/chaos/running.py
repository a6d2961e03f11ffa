"""One chaos run: the application works, parts are killed and frozen at seeded moments; then the data are checked."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event

from pymongo import MongoClient

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.chaos.application import Application
from recurrence_pipeline_tests.chaos.findings import Data, came_back, findings
from recurrence_pipeline_tests.chaos.machine import SETTINGS, Machine

TICK = 0.2
LONGEST_DOWN = 1.0
WEIGHTS = {"worker": 6, "database": 3, "run": 3, "daemon": 2}
"""How often each kind of part is struck, in proportion."""
STRUCK_TO_FREEZE = 3
"""One of so many strikes freezes, the others kill."""
FROZEN = {"database": (0.5, 4), "worker": (1, 5), "run": (1, 5), "daemon": (1, 5)}
"""For how long, in seconds: up to twice the time limit of the database's answers, and past the lease of a worker."""


@dataclass(frozen=True)
class Scale:
    """How much happens. Times are in seconds."""

    events: int
    workers: int
    daemon: bool
    between_kills: tuple[float, float]
    between_acts: tuple[float, float]
    settling: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class Report:
    """What happened, and what is wrong in the end: by the checks of the chaos run, and by the system's own."""

    seed: int
    numbers: dict[str, int]
    wall_time: timedelta
    findings: list[str]


def run_chaos(scale: Scale, *, seed: int, folder: Path, say: Callable[[str], None]) -> Report:
    """Run it in an empty folder.

    Raises:
        AssertionError: the events were not all processed in time.
    """
    began = time.monotonic()
    machine = Machine(folder, scale.workers, daemon=scale.daemon)
    try:
        machine.prepare()
        settings = Settings.from_environment({**SETTINGS, "MONGODB_URL": machine.url})
        with open_worker(settings) as worker, MongoClient[Document](machine.url, tz_aware=True) as client:
            worker.init_db()
            application = _live(machine, client, worker, scale, seed, say)
            machine.stop_working()
            say("everything is processed: looking at the data")
            orphans = worker.maintenance.clean_orphans(confirm=True)
            data = Data.read(client.get_default_database())
            checked = [
                f"{f.name}: {f.count}, such as {dict(f.samples[0])}"
                for f in worker.consistency.run()
                if f.severity not in {Severity.OK, Severity.INFO}
            ]
    finally:
        machine.stop()
    numbers = {
        "events": len(data.events),
        "series": len(application.series),
        "occurrences": sum(map(len, data.hanging.values())),
        **{f"{kind} killed": machine.killed[kind] for kind in machine.kinds},
        **{f"{kind} frozen": machine.frozen[kind] for kind in machine.kinds},
        **{f"{kind} started": machine.started[kind] for kind in machine.kinds if kind in machine.started},
        "redeliveries": data.redeliveries(),
        "writes the application repeated": application.retries,
        "orphans cleaned up": orphans,
        "deleted by a person and made again": came_back(data, application),
    }
    return Report(seed, numbers, timedelta(seconds=time.monotonic() - began), findings(data, application) + checked)


def _live(
    machine: Machine, client: MongoClient[Document], worker: Worker, scale: Scale, seed: int, say: Callable[[str], None]
) -> Application:
    """Let the application work while parts are killed and frozen, then wait until all it asked for is done."""
    stopped, pauses = Event(), Random(seed + 1)
    application = Application(client, Random(seed), stopped)
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(application.work, scale.events, lambda: pauses.uniform(*scale.between_acts))
        try:
            _strike_until(work.done, machine, scale, Random(seed + 2), say)
        finally:
            stopped.set()
        work.result()
    say(f"{len(application.events)} events are written; nothing more is killed or frozen")
    deadline = time.monotonic() + scale.settling.total_seconds()
    while unfinished := worker.queries.unfinished():
        assert time.monotonic() < deadline, f"{unfinished} events are not processed within {scale.settling}"
        machine.tend()
        time.sleep(TICK)
    return application


def _strike_until(
    over: Callable[[], bool], machine: Machine, scale: Scale, chance: Random, say: Callable[[str], None]
) -> None:
    machine.tend()
    next_strike, strikes = time.monotonic() + chance.uniform(*scale.between_kills), 0
    while not over():
        time.sleep(TICK)
        if time.monotonic() >= next_strike:
            strikes += 1
            kind = chance.choices(machine.kinds, [WEIGHTS[kind] for kind in machine.kinds])[0]
            if strikes % STRUCK_TO_FREEZE == 0:
                seconds = chance.uniform(*FROZEN[kind])
                if machine.freeze(kind, chance.random(), seconds):
                    say(f"a {kind} stands still for {seconds:.1f} s")
            else:
                if machine.kill(kind, chance.random()):
                    say(f"kill -9 of a {kind}")
                time.sleep(chance.uniform(0, LONGEST_DOWN))
                if kind == "database":
                    machine.start_database()
            next_strike = time.monotonic() + chance.uniform(*scale.between_kills)
        machine.tend()
    machine.thaw()
