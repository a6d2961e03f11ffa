"""What Dagster's own storage and processes need at 10, 100 and 1000 runs a minute, by what one run needs."""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.content import mixed
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import server, stage
from recurrence_pipeline.config.settings import Settings

RATES = (10, 100, 1000)
"""Runs a minute."""

MINUTES_A_DAY = 24 * 60
EVENTS = 30


def one_run() -> dict[str, Any]:
    """Have a process of its own execute a run that finds something to do."""
    with server() as database, stage(database) as at, tempfile.TemporaryDirectory() as folder:
        at.fill(mixed(EVENTS))
        found = subprocess.run(
            [sys.executable, "-m", "benchmarks.one_run", folder],
            env={**os.environ, "MONGODB_URL": at.url, "WORKER_TIMEOUT": "120000", "WORKER_IDLE_TIMEOUT": "0"},
            check=True,
            capture_output=True,
            text=True,
        )
        if at.worker.queries.unfinished():
            raise RuntimeError(f"a run left some of {EVENTS} events undone: {found.stdout}")
    answer: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return answer


def at_rate(rate: int, run: dict[str, Any], days: int) -> dict[str, Any]:
    """Compute what so many runs a minute come to."""
    a_day = rate * MINUTES_A_DAY
    return {
        "what": f"{rate} runs a minute",
        "records a day": a_day * run["records"],
        "records/s": rate / 60 * run["records"],
        "cores": rate / 60 * run["CPU s"],
        "GB a day": a_day * run["KB of files"] / 1e6,
        f"GB in {days} days": days * a_day * run["KB of files"] / 1e6,
        "of it records": days * a_day * run["KB of records"] / 1e6,
    }


def main(_: Size) -> Figures:
    """Measure one run, and multiply."""
    days = Settings.from_environment({}).dagster_run_retention_days
    run = one_run()
    return Figures(
        "Dagster's history of runs, in SQLite files, and the processes that run them",
        [{"what": "one run", **run}, *(at_rate(rate, run, days) for rate in RATES)],
    )
