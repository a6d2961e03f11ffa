"""`recurrence demo`: the packaged sample, worked off by the real system on throwaway data, and what came of it."""

import shutil
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from recurrence_pipeline.domain.errors import Outage
from recurrence_pipeline.domain.model import EventStatus
from recurrence_pipeline.local.commands import Narrator, exit_status
from recurrence_pipeline.local.supervision import Stopped, locked
from recurrence_pipeline.local.system import System, running
from recurrence_pipeline.local.tables import runs_table, series_table
from recurrence_pipeline.local.through_the_api import shown_through_the_api
from recurrence_pipeline.report import events_data, events_table, figures_table
from recurrence_pipeline.storage.importing import SAMPLE_DATA
from recurrence_pipeline.up_file import KEPT_IN

LONGEST_STANDSTILL = timedelta(minutes=5)
"""How long nothing may come of it before the demo gives up."""
RUN_END_PATIENCE = timedelta(seconds=60)


def run_demo(settings_environment: Mapping[str, str], folder: Path, console: Console) -> int:
    """Run the system on a fresh copy of the sample until every event is worked off, and show what came of it.

    All of it lives in `.recurrence/demo` under `folder`, which is emptied first and, after a success, last. Where
    MONGODB_URL is set, the data go to a database of their own on that server, which is dropped at the end.

    Returns:
        0; or 1 where something failed and 2 where a setting is wrong, which is printed; or 128 + the number of the
        signal that stopped it.
    """
    return exit_status(console, partial(_demo, settings_environment, (folder / KEPT_IN).resolve()))


def _demo(environment: Mapping[str, str], kept_in: Path, narrator: Narrator) -> int:
    home = kept_in / "demo"
    with locked(kept_in / "demo.lock"):
        shutil.rmtree(home, ignore_errors=True)
        try:
            failure = _worked_off_and_shown(environment, home, narrator)
        except Stopped:
            shutil.rmtree(home, ignore_errors=True)
            raise
        if failure:
            raise Outage(f"{failure} The logs are in {home / 'logs'}")
        shutil.rmtree(home, ignore_errors=True)
    narrator.say("Done: everything is stopped, and nothing is left behind. To keep it running: recurrence up")
    return 0


def _worked_off_and_shown(environment: Mapping[str, str], home: Path, narrator: Narrator) -> str:
    """Do it, and return what went wrong with the work."""
    with running(home, environment, narrator.say, throwaway=True) as system:
        narrator.say("Importing the sample data")
        system.worker.import_folder(SAMPLE_DATA)
        system.dagster.wait_until_ready(system.programs)
        narrator.say(f"Dagster answers at {system.dagster.url}; its sensor finds the events and starts runs")
        _wait_until_worked_off(system, narrator.console)
        failure = _show(system, narrator.console)
        narrator.console.print(shown_through_the_api(system, home))
        return failure


def _wait_until_worked_off(system: System, console: Console) -> None:
    """Return once every event has an end and no run is under way.

    Raises:
        Outage: a process ended, or nothing happened for too long.
    """
    service = system.worker.service
    total = left = service.unfinished()
    deadline = monotonic() + LONGEST_STANDSTILL.total_seconds()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        bar = progress.add_task("Events worked off", total=total, completed=0)
        while left:
            sleep(0.25)
            system.check()
            now_left = service.unfinished()
            if now_left != left:
                left, deadline = now_left, monotonic() + LONGEST_STANDSTILL.total_seconds()
                progress.update(bar, completed=total - left)
            if monotonic() > deadline:
                raise Outage(_standstill(system, left))
    deadline = monotonic() + RUN_END_PATIENCE.total_seconds()
    while not all(run.finished for run in system.dagster.runs()) and monotonic() < deadline:
        sleep(0.25)
        system.check()


def _standstill(system: System, left: int) -> str:
    runs = ", ".join(f"{run.id[:8]} {run.status}" for run in system.dagster.runs()) or "none"
    return (
        f"{left} events are left, and none was finished for {LONGEST_STANDSTILL.total_seconds():g} s; "
        f"Dagster's runs: {runs}\n{system.dagster.programs[-1].last_lines()}"
    )


def _show(system: System, console: Console) -> str:
    """Print what came of it, and return what went wrong."""
    service = system.worker.service
    counts = service.event_counts()
    totals = service.totals()
    runs = system.dagster.runs()
    figures = {
        "occurrences_created": totals["created"],
        "occurrences_deleted": totals["deleted"],
        "activities_written": totals["activities"],
    }
    console.print()
    console.print(events_table(events_data(counts, service.refusals())))
    console.print(figures_table("What came of them", figures))
    console.print(runs_table(runs))
    console.print(series_table(service.series))
    dead = sum(count for (_, status), count in counts.items() if status == EventStatus.FAILED.value)
    if dead:
        return f"{dead} events failed for good: they are dead letters."
    return ""
