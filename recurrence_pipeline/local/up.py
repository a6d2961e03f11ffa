"""`recurrence up`: the system on this machine, with data that stay, until somebody stops it."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from rich.console import Console

from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.local.console import LocalConsole, exit_status
from recurrence_pipeline.local.stack import LocalStack, Say, running, without_password
from recurrence_pipeline.local.supervisor import Supervisor, locked
from recurrence_pipeline.local.up_file import KEPT_IN, UpFile

if TYPE_CHECKING:
    from recurrence_pipeline.bootstrap import Worker


def run_up(
    settings_environment: Mapping[str, str], folder: Path, console: Console, *, with_sample: bool = False
) -> int:
    """Run the system until Ctrl-C or SIGTERM; its data stay in `.recurrence` under `folder`.

    A database of its own gets the sample data while it is empty, one that MONGODB_URL names gets nothing; but where
    `with_sample` asks for it, what is missing of the sample is added to either.

    Returns:
        0 when it was told to stop; or 1 where something failed, 2 where a setting is wrong or another `up` runs here,
        which is printed.
    """
    work = partial(_up, settings_environment, (folder / KEPT_IN).resolve(), with_sample)
    return exit_status(console, work, when_stopped=0)


def load_sample(worker: "Worker", ours: bool, *, asked: bool, say: Say) -> None:  # noqa: FBT001 (`running` says which)
    """Load the sample into a database that wants it, and say what came of it."""
    if not (ours or asked):
        return
    report = worker.load_sample(asked=asked)
    if report is None:
        say("The database has been in use: the sample data are not loaded again (recurrence up --sample does that)")
    else:
        say(f"Sample data: {counted(report.added, 'document')} imported")


def _up(environment: Mapping[str, str], home: Path, with_sample: bool, narrator: LocalConsole) -> int:  # noqa: FBT001
    prepare = partial(load_sample, asked=with_sample, say=narrator.say)
    with locked(home / "up.lock"), running(home, environment, narrator.say, prepare=prepare, light=True) as system:
        system.dagster.wait_until_ready(system.programs)
        try:
            _write_down(system, home)
            _tell(system, home, narrator.console)
            supervisor = Supervisor(system.programs, narrator.say)
            while True:
                sleep(0.5)
                if supervisor.look():
                    _write_down(system, home)
        finally:
            UpFile.remove(home)


def _write_down(system: LocalStack, home: Path) -> None:
    pids = {program.name: program.process.pid for program in system.programs}
    url = system.mongodb_url if system.embedded else None
    UpFile(os.getpid(), url, system.api.url, system.dagster.url, pids).write(home)


def _tell(system: LocalStack, home: Path, console: Console) -> None:
    console.print(f"\n  Dagster  {system.dagster.url}", highlight=False)
    console.print(f"  API      {system.api.url} (its page: {system.api.docs_url})", highlight=False, soft_wrap=True)
    console.print(f"  Series   {system.api.pages_url}", highlight=False)
    console.print(f"  MongoDB  {without_password(system.mongodb_url)}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"  Logs     {home / 'logs'}", markup=False, highlight=False, soft_wrap=True)
    console.print("\nCtrl-C stops everything; the data stay. Commands that are started in this folder find it.")
