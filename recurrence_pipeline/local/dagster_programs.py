"""Dagster on this machine: its web server and its daemon, with a home of their own.

Not `dagster dev`: that cannot be stopped by a signal from a script, and leaves its children behind when it is killed.
"""

import http.client
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.local.supervision import HOST, Program, free_port, stop, wait_for

if TYPE_CHECKING:
    from dagster import DagsterInstance  # takes a second to import: only when it is started

PACKAGE = Path(__file__).parents[1]
SENSOR = "task_event_sensor"
UI_URL = "DAGSTER_UI_URL"
"""Where it is not set, alerts link to the web server that is started here."""
BASE_DIR = re.compile(r"^(\s+base_dir: *)(\S+) *$", re.MULTILINE)
READY_TIMEOUT = timedelta(seconds=120)
RUNS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as Dagster's own storage has it; times are seconds, None where they have not come yet."""

    id: str
    job: str
    status: str
    finished: bool
    began: float | None
    ended: float | None


class LocalDagster:
    """A running Dagster. Its instance is the storage that all of its processes share."""

    def __init__(self, instance: "DagsterInstance", webserver: Program, daemon: Program, port: int) -> None:
        self._instance = instance
        self._webserver = webserver
        self._daemon = daemon
        self._port = port
        self._began = time.time()

    @property
    def programs(self) -> tuple[Program, ...]:
        """The web server and the daemon."""
        return self._webserver, self._daemon

    @property
    def url(self) -> str:
        """Where people look."""
        return f"http://{HOST}:{self._port}"

    def wait_until_ready(self, programs: tuple[Program, ...], timeout: timedelta = READY_TIMEOUT) -> None:
        """Return once the web server answers and the sensor has been evaluated.

        Raises:
            Outage: one of `programs` ended, or it took too long; the text says what did not start.
        """
        wait_for(
            self._answers,
            "Dagster's web server did not answer",
            programs=programs,
            asked=self._webserver,
            timeout=timeout,
        )
        wait_for(
            self._sensor_ticked,
            f"Dagster's daemon did not evaluate {SENSOR}",
            programs=programs,
            asked=self._daemon,
            timeout=timeout,
        )

    def runs(self) -> list[Run]:
        """Return the newest runs, the oldest of them first."""
        records = self._instance.get_run_records(limit=RUNS_SHOWN)
        return [
            Run(
                record.dagster_run.run_id,
                record.dagster_run.job_name,
                record.dagster_run.status.value,
                record.dagster_run.is_finished,
                record.start_time,
                record.end_time,
            )
            for record in reversed(records)
        ]

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=5)  # never asks a proxy, unlike urllib
        try:
            connection.request("GET", "/server_info")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _sensor_ticked(self) -> bool:
        for state in self._instance.all_instigator_state():
            if state.instigator_name == SENSOR:
                ticks = self._instance.get_ticks(
                    state.instigator_origin_id, state.selector_id, after=self._began, limit=1
                )
                return bool(ticks)
        return False


@contextmanager
def running_dagster(home: Path, logs: Path, environment: Mapping[str, str], *, port: int = 0) -> Iterator[LocalDagster]:
    """Start Dagster with the workspace.yaml and dagster.yaml that we ship, and stop it at the end.

    Args:
        home: its DAGSTER_HOME; all that it stores is in there.
        logs: takes what the processes print.
        environment: the environment variables of its processes.
        port: of the web server; another one is taken where it is not free.
    """
    from dagster import DagsterInstance  # noqa: PLC0415 (takes a second)

    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(_anchored(shipped("dagster.yaml").read_text(), home))
    port = free_port(port)
    ui_url = environment.get(UI_URL, "").strip() or f"http://{HOST}:{port}"
    environment = {**environment, "DAGSTER_HOME": str(home), UI_URL: ui_url}
    workspace = ("--workspace", str(shipped("workspace.yaml")))
    commands = {
        "dagster-webserver": ("dagster_webserver", "--host", HOST, "--port", str(port), *workspace),
        "dagster-daemon": ("dagster._daemon", "run", *workspace),
    }
    programs: list[Program] = []
    began = time.time()
    # Opened first: it makes the SQLite files, and two processes that both find none of them get in each other's way.
    with DagsterInstance.from_config(str(home)) as instance:
        try:
            for name, command in commands.items():
                log = logs / f"{name}.log"
                programs.append(
                    Program.start(name, [sys.executable, "-m", *command], cwd=home, log=log, environment=environment)
                )
            yield LocalDagster(instance, programs[0], programs[1], port)
        finally:
            stop(programs, settled=lambda: not _running_since(instance, began))


def _running_since(instance: "DagsterInstance", began: float) -> bool:
    """Return whether a run works that began since then.

    An interrupted run gives its leases back. Killed at that, its events would have to wait until those run out.
    """
    records = instance.get_run_records(limit=RUNS_SHOWN)
    return any(
        not record.dagster_run.is_finished and record.start_time is not None and record.start_time >= began
        for record in records
    )


def shipped(name: str) -> Path:
    """Return the path of a file that an installed package has inside and a repository beside it.

    Raises:
        ConfigurationError: it is in neither place.
    """
    for folder in (PACKAGE, PACKAGE.parent):
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"{name} is neither in {PACKAGE} nor in {PACKAGE.parent}")


def _anchored(config: str, home: Path) -> str:
    """Return a dagster.yaml whose SQLite files are under `home` for every process, wherever that one is started."""
    return BASE_DIR.sub(lambda found: found[1] + json.dumps(str(home / found[2])), config)
