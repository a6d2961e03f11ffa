"""Nobody is told anything: an application changes tasks only, while followers and their change streams are killed."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event

from pymongo import MongoClient
from pymongo.database import Database

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.chaos.application import QuietApplication
from recurrence_pipeline_tests.chaos.findings import Data, came_back, findings
from recurrence_pipeline_tests.chaos.machine import SETTINGS, Machine
from recurrence_pipeline_tests.chaos.running import TICK, Report

SETTLED = 3
"""How often in a row, with a second between, nothing may be left to do before the data are looked at."""


@dataclass(frozen=True)
class UntoldScale:
    """How many changes there are, and how many kills while they are made."""

    changes: int
    kills: int
    workers: int = 2
    settling: timedelta = timedelta(minutes=10)


def run_untold(scale: UntoldScale, *, seed: int, folder: Path, say: Callable[[str], None]) -> Report:
    """Run it in an empty folder.

    Raises:
        AssertionError: the changes were not all followed in time; the text says what is missing.
    """
    began = time.monotonic()
    machine = Machine(folder, scale.workers, daemon=False, follow=True)
    try:
        machine.prepare()
        settings = Settings.from_environment({**SETTINGS, "MONGODB_URL": machine.url})
        with open_worker(settings) as worker, MongoClient[Document](machine.url, tz_aware=True) as client:
            worker.init_db()
            database = client.get_default_database()
            database.command("collMod", "tasks", changeStreamPreAndPostImages={"enabled": True})
            application = QuietApplication(client, Random(seed), Event())
            _live(machine, application, scale, seed, say)
            _settle(machine, worker, database, application, scale, say)
            machine.stop_working()
            orphans = worker.maintenance.clean_orphans(confirm=True)
            data = Data.read(database)
            checked = [
                f"{f.name}: {f.count}, such as {dict(f.samples[0])}"
                for f in worker.consistency.run()
                if f.severity not in {Severity.OK, Severity.INFO}
            ]
    finally:
        machine.stop()
    numbers = {
        "changes that nobody told of": application.changes,
        "events written for them": len(data.events),
        "series": len(application.series),
        "occurrences in the end": sum(map(len, data.hanging.values())),
        "streams killed": machine.killed["stream"],
        "workers killed": machine.killed["worker"],
        "redeliveries": data.redeliveries(),
        "orphans left to the cleanup": orphans,
        "deleted by a person and made again": came_back(data, application),
    }
    return Report(seed, numbers, timedelta(seconds=time.monotonic() - began), findings(data, application) + checked)


def _live(
    machine: Machine, application: QuietApplication, scale: UntoldScale, seed: int, say: Callable[[str], None]
) -> None:
    """Let the application work, and kill something each time that a part of the changes is made."""
    chance = Random(seed + 1)
    machine.tend()
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(application.work, scale.changes, lambda: 0.0)
        kills = 0
        while not work.done():
            time.sleep(TICK)
            if application.changes * (scale.kills + 1) >= scale.changes * (kills + 1) and kills < scale.kills:
                kind = "stream" if kills % 2 == 0 else "worker"
                machine.kill(kind, chance.random())
                kills += 1
                say(f"{application.changes} changes, a {kind} is killed")
            machine.tend()
        work.result()
    say(f"{application.changes} changes are made, and nothing more is killed")


def _settle(
    machine: Machine,
    worker: Worker,
    database: Database[Document],
    application: QuietApplication,
    scale: UntoldScale,
    say: Callable[[str], None],
) -> None:
    """Wait until the followers have done all that there is to do; nobody else looks for it."""
    deadline, calm = time.monotonic() + scale.settling.total_seconds(), 0
    while calm < SETTLED:
        machine.tend()
        time.sleep(1)
        missing = [] if worker.queries.unfinished() else findings(Data.read(database), application)
        calm = 0 if worker.queries.unfinished() or _lost(missing) else calm + 1
        assert time.monotonic() < deadline, f"not followed within {scale.settling}: {missing}"
    say("everything is followed: looking at the data")


def _lost(found: list[str]) -> list[str]:
    """Return what a worker must still do; what hangs on deleted tasks may be left to the orphan cleanup."""
    return [text for text in found if "which is gone" not in text]
