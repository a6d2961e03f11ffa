"""`recurrence up`: the system on this machine, with data that stay, until somebody stops it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from time import sleep

from rich.console import Console

from recurrence_pipeline.local.commands import KEPT_IN, Narrator, exit_status
from recurrence_pipeline.local.supervision import locked
from recurrence_pipeline.local.system import running, without_password
from recurrence_pipeline.storage.importing import SAMPLE_DATA


def run_up(settings_environment: Mapping[str, str], folder: Path, console: Console) -> int:
    """Run the system until Ctrl-C or SIGTERM; its data stay in `.recurrence` under `folder`.

    A database of its own gets the sample data first; into one that MONGODB_URL names nothing is imported.

    Returns:
        0 when it was told to stop; or 1 where something failed, 2 where a setting is wrong or another `up` runs here,
        which is printed.
    """
    return exit_status(console, partial(_up, settings_environment, (folder / KEPT_IN).resolve()), when_stopped=0)


def _up(environment: Mapping[str, str], home: Path, narrator: Narrator) -> int:
    with locked(home / "up.lock"), running(home, environment, narrator.say) as system:
        if system.embedded:
            report = system.worker.import_folder(SAMPLE_DATA)
            narrator.say(f"Sample data: {report.added} documents imported" if report.added else "Sample data: there")
        system.dagster.wait_until_ready(system.programs)
        system.api.wait_until_ready(system.programs)
        console = narrator.console
        console.print(f"\n  Dagster  {system.dagster.url}", highlight=False)
        console.print(f"  API      {system.api.url} (its page: {system.api.docs_url})", highlight=False, soft_wrap=True)
        console.print(
            f"  MongoDB  {without_password(system.mongodb_url)}", markup=False, highlight=False, soft_wrap=True
        )
        console.print(f"  Logs     {home / 'logs'}", markup=False, highlight=False, soft_wrap=True)
        console.print("\nCtrl-C stops everything; the data stay.", highlight=False)
        while True:
            sleep(0.5)
            system.check()
