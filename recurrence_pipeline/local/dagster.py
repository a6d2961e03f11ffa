"""Dagster on this machine: a code server, the web server and the daemon, with a home of their own.

Not `dagster dev`: that cannot be stopped by a signal from a script, and leaves its children behind when it is killed.
And not without the code server: the daemon would start one of its own anew each minute, for ever.
"""

import json
import re
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import yaml

from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.local import processes
from recurrence_pipeline.local.dagster_history import all_ended, cancel_runs, close_runs, opened
from recurrence_pipeline.local.processes import HOST
from recurrence_pipeline.local.supervisor import ManagedProcess, free_port, stop, wait_for

if TYPE_CHECKING:
    from dagster import DagsterInstance  # takes a second to import: only when it is started

PACKAGE = Path(__file__).parents[1]
SENSOR = "task_event_sensor"
LOCATION = "recurrence_pipeline"
"""As in workspace.yaml: what was turned on or off under this name stays so."""
UI_URL = "DAGSTER_UI_URL"
"""Where it is not set, alerts link to the web server that is started here."""
CODE_SERVER = ("dagster", "api", "grpc")
CODE = "recurrence_pipeline.definitions"
WEBSERVER = ("dagster_webserver",)
DAEMON = ("dagster._daemon", "run")
BASE_DIR = re.compile(r"^(\s+base_dir: *)(\S+) *$", re.MULTILINE)
WHOSE = {"query": "{ instance { info } }"}
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing is encrypted on this machine, and to read the world's certificates takes 20 ms of each look."""
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

    def __init__(self, instance: "DagsterInstance", programs: Sequence[ManagedProcess], port: int) -> None:
        self._instance = instance
        self._code_server, self._webserver, self._daemon = programs
        self._port = port
        self._began = time.time()

    @property
    def programs(self) -> tuple[ManagedProcess, ...]:
        """The code server, the web server and the daemon."""
        return self._code_server, self._webserver, self._daemon

    @property
    def url(self) -> str:
        """Where people look."""
        return f"http://{HOST}:{self._port}"

    @property
    def ui_url(self) -> str:
        """Where alerts link to: the same, but where DAGSTER_UI_URL names it otherwise."""
        return self._webserver.environment[UI_URL]

    def wait_until_ready(self, programs: tuple[ManagedProcess, ...], timeout: timedelta = READY_TIMEOUT) -> None:
        """Return once our web server answers and the sensor has been evaluated.

        Raises:
            PortTaken: the web server ended because its port is another program's.
            DatabaseUnavailable: one of `programs` ended, or it took too long; the text says what did not start.
        """
        self.wait_until_it_listens(programs, timeout)
        wait_for(
            self._sensor_ticked,
            f"Dagster's daemon did not evaluate {SENSOR}",
            programs=programs,
            asked=self._daemon,
            timeout=timeout,
        )

    def wait_until_it_listens(self, programs: tuple[ManagedProcess, ...], timeout: timedelta = READY_TIMEOUT) -> None:
        """Return once our web server answers.

        Raises:
            PortTaken, DatabaseUnavailable: as `wait_until_ready`.
        """
        wait_for(
            self.listens,
            "Dagster's web server did not answer",
            programs=programs,
            asked=self._webserver,
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

    def listens(self) -> bool:
        """Say whether our web server answers: one that reads this home, and not another one on the same port."""
        try:
            answer = httpx.post(f"{self.url}/graphql", json=WHOSE, trust_env=False, timeout=5, verify=NO_AUTHORITIES)
            config = yaml.safe_load(answer.json()["data"]["instance"]["info"])
            return bool(config["local_artifact_storage"]["config"]["base_dir"] == self._instance.root_directory)
        except (httpx.HTTPError, ValueError, LookupError, TypeError, yaml.YAMLError):
            return False

    def _sensor_ticked(self) -> bool:
        for state in self._instance.all_instigator_state():
            if state.instigator_name == SENSOR:
                ticks = self._instance.get_ticks(
                    state.instigator_origin_id, state.selector_id, after=self._began, limit=1
                )
                return bool(ticks)
        return False


@contextmanager
def running_dagster(
    home: Path, logs: Path, environment: Mapping[str, str], *, port: int = 0, code: str = CODE
) -> Iterator[LocalDagster]:
    """Start Dagster with the dagster.yaml that we ship, and stop it at the end.

    Args:
        home: its DAGSTER_HOME; all that it stores is in there.
        logs: takes what the processes print.
        environment: the environment variables of its processes.
        port: of the web server; another one is taken where it is not free.
        code: the module with the definitions.

    Raises:
        ConfigurationError: Dagster's files in `home` cannot be used.
        DatabaseUnavailable: the code server did not start; the text has its last lines.
    """
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(_anchored(_readable(shipped("dagster.yaml")), home))
    port = free_port(port)
    ui_url = environment.get(UI_URL, "").strip() or f"http://{HOST}:{port}"
    environment = {**environment, "DAGSTER_HOME": str(home), UI_URL: ui_url}
    programs: list[ManagedProcess] = []

    def start(name: str, *command: str) -> ManagedProcess:
        command, log = (sys.executable, "-m", *command), logs / f"{name}.log"
        programs.append(ManagedProcess.start(name, command, cwd=home, log=log, environment=environment))
        return programs[-1]

    # Opened first: it makes the SQLite files, and two processes that both find none of them get in each other's way.
    with opened(home) as instance, tempfile.TemporaryDirectory(prefix="recurrence-") as ours:
        endpoint = Path(ours, "code")  # a socket of our own: whoever may talk to a code server can run code in it
        workspace = home / "workspace.yaml"
        location = {"socket": str(endpoint), "location_name": LOCATION}
        workspace.write_text(json.dumps({"load_from": [{"grpc_server": location}]}))
        module = ("--module-name", code, "--location-name", LOCATION)
        try:
            code_server = start("code-server", *CODE_SERVER, *module, "--socket", str(endpoint))
            _wait_for_code(code_server, endpoint)
            start("dagster-webserver", *WEBSERVER, "--host", HOST, "--port", str(port), "--workspace", str(workspace))
            start("dagster-daemon", *DAEMON, "--workspace", str(workspace))
            yield LocalDagster(instance, programs, port)
        finally:
            _stop(instance, programs)


def _stop(instance: "DagsterInstance", programs: Sequence[ManagedProcess]) -> None:
    """End the daemon, then the runs, then the rest: so no run begins meanwhile, and none of them counts as failed.

    The daemon is not waited for: it would wait for a sensor that watches the queue. What waits in the run queue stays
    there for the next start.
    """
    for daemon in programs[2:]:
        processes.kill(daemon.process)
    cancel_runs(instance)
    stop(programs, settled=lambda: all_ended(instance))
    close_runs(instance)


def _wait_for_code(code_server: ManagedProcess, endpoint: Path) -> None:
    """Return once the code server listens: a daemon that does not reach it looks for it again only after a minute."""

    def listens() -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(endpoint)) == 0

    wait_for(listens, "The code server did not start", programs=[code_server], asked=code_server, timeout=READY_TIMEOUT)


def shipped(name: str) -> Path:
    """Return the path of a file that an installed package has inside and a repository beside it.

    Raises:
        ConfigurationError: it is in neither place.
    """
    for folder in (PACKAGE, PACKAGE.parent):
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"{name} is neither in {PACKAGE} nor in {PACKAGE.parent}")


def _readable(config: Path) -> str:
    """Return the text of a YAML file.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        text = config.read_text(encoding="utf-8")
        if isinstance(yaml.safe_load(text), dict):
            return text
        reason = "it holds no settings"
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
    raise ConfigurationError(f"{config} cannot be read: {reason}. Restore it, or install this package again.")


def _anchored(config: str, home: Path) -> str:
    """Return a dagster.yaml whose SQLite files are under `home` for every process, wherever that one is started."""
    return BASE_DIR.sub(lambda found: found[1] + json.dumps(str(home / found[2])), config)
