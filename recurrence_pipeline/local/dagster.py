"""Dagster on this machine: a code server, and the web server with the daemon, with a home of their own.

Not `dagster dev`: that cannot be stopped by a signal from a script, and leaves its children behind when it is killed.
And not without the code server: the daemon would start one of its own anew each minute, for ever.
What starts them has none of Dagster in its memory: it asks the web server, and imports the rest when it stops them.
"""

import json
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import yaml

from recurrence_pipeline.domain.errors import ConfigurationError, DatabaseUnavailable
from recurrence_pipeline.local import dagster_host, processes
from recurrence_pipeline.local.dagster_config import anchored, readable, shipped
from recurrence_pipeline.local.dagster_history import all_ended, cancel_runs, close_runs
from recurrence_pipeline.local.processes import HOST
from recurrence_pipeline.local.supervisor import ManagedProcess, PortTaken, stop, wait_for

SENSOR = "task_event_sensor"
LOCATION = "recurrence_pipeline"
"""As in workspace.yaml: what was turned on or off under this name stays so."""
UI_URL = "DAGSTER_UI_URL"
"""Where it is not set, alerts link to the web server that is started here."""
CODE_SERVER = ("dagster", "api", "grpc")
CODE = "recurrence_pipeline.definitions"
HOSTED = re.compile(r"^Dagster: http://\S+:(\d+)$", re.MULTILINE)
"""The line in which the web server says, once it has a port, which."""
WHOSE = "{ instance { info } }"
RUNS = """
query($limit: Int) {
  runsOrError(limit: $limit) { ... on Runs { results { runId jobName status startTime endTime } } }
}
"""
TICKS = """
query($sensor: SensorSelector!, $after: Float) {
  sensorOrError(sensorSelector: $sensor) {
    ... on Sensor { sensorState { ticks(limit: 1, afterTimestamp: $after) { id } } }
  }
}
"""
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
NO_ANSWER = (OSError, HTTPException, ValueError, LookupError, TypeError, yaml.YAMLError)
"""What asking a web server can fail with that is not there yet, or is another's."""
READY_TIMEOUT = timedelta(seconds=120)
PATIENCE = timedelta(seconds=5)
"""How long one answer may take."""
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
    """A Dagster that is started, step by step: while it imports what it needs, other programs can begin."""

    def __init__(self, home: Path, host: ManagedProcess, endpoint: Path = Path()) -> None:
        self._home = home
        self._host = host
        self._endpoint = endpoint
        self._code_server: ManagedProcess | None = None
        self._began = time.time()

    @property
    def programs(self) -> tuple[ManagedProcess, ...]:
        """The code server, and the web server with the daemon."""
        return (*([self._code_server] if self._code_server else []), self._host)

    @property
    def port(self) -> int:
        """Where the web server listens."""
        return int(self._host.environment[dagster_host.PORT])

    @property
    def url(self) -> str:
        """Where people look."""
        return f"http://{HOST}:{self.port}"

    @property
    def ui_url(self) -> str:
        """Where alerts link to: the same, but where DAGSTER_UI_URL names it otherwise."""
        return self._host.environment.get(UI_URL, "").strip() or self.url

    def load_code(self, logs: Path, environment: Mapping[str, str], code: str = CODE) -> None:
        """Start the code server, which loads the definitions and, later, begins the runs, with this environment.

        Raises:
            ConfigurationError: Dagster's files cannot be used.
            DatabaseUnavailable: the web server's program ended; the text has its last lines.
        """
        # It looks into them too, and they must not be made by both.
        self._wait_for(self._is_opened, "Dagster's files were not opened", self.programs, self._host, READY_TIMEOUT)
        module = ("--module-name", code, "--location-name", LOCATION)
        command = (sys.executable, "-m", *CODE_SERVER, *module, "--socket", str(self._endpoint))
        environment = {**environment, "DAGSTER_HOME": str(self._home), UI_URL: self.ui_url}
        log = logs / "code-server.log"
        self._code_server = ManagedProcess.start(
            "code-server", command, cwd=self._home, log=log, environment=environment
        )

    def connect(self) -> None:
        """Have the web server and the daemon find the code, as soon as it is loaded: now runs can begin.

        Raises:
            DatabaseUnavailable: the code server did not start; the text has its last lines.
        """
        asked = self._code_server or self._host
        # A daemon that does not reach the code server looks for it again only after a minute.
        self._wait_for(self._code_is_loaded, "The code server did not start", self.programs, asked, READY_TIMEOUT)
        location = {"socket": str(self._endpoint), "location_name": LOCATION}
        written = self._home / ".workspace.yaml"
        written.write_text(json.dumps({"load_from": [{"grpc_server": location}]}))
        written.replace(workspace_in(self._home))

    def stop(self) -> None:
        """End the daemon, then the runs, then the rest: so no run begins meanwhile, and none of them counts as failed.

        The daemon is not waited for: it would wait for a sensor that watches the queue. What waits in the run queue
        stays there for the next start.
        """
        processes.kill(self._host.process)
        if not workspace_in(self._home).exists():  # no run has begun
            stop(self.programs)
            return
        from dagster import DagsterInstance  # noqa: PLC0415 (takes a second, and memory that it would keep)

        with DagsterInstance.from_config(str(self._home)) as instance:
            cancel_runs(instance)
            stop(self.programs, settled=lambda: all_ended(instance))
            close_runs(instance)

    def wait_until_ready(self, programs: tuple[ManagedProcess, ...], timeout: timedelta = READY_TIMEOUT) -> None:
        """Return once our web server answers and the sensor has been evaluated.

        Raises:
            DatabaseUnavailable: one of `programs` ended, or it took too long; the text says what did not start.
        """
        self.wait_until_it_listens(programs, timeout)
        self._wait_for(
            self._sensor_ticked, f"Dagster's daemon did not evaluate {SENSOR}", programs, self._host, timeout
        )

    def wait_until_it_listens(self, programs: tuple[ManagedProcess, ...], timeout: timedelta = READY_TIMEOUT) -> None:
        """Return once our web server answers.

        Raises:
            DatabaseUnavailable: as `wait_until_ready`.
        """
        self._wait_for(self.listens, "Dagster's web server did not answer", programs, self._host, timeout)

    def runs(self) -> list[Run]:
        """Return the newest runs, the oldest of them first.

        Raises:
            DatabaseUnavailable: the web server does not answer.
        """
        try:
            found = self._ask(RUNS, limit=RUNS_SHOWN)["runsOrError"]["results"]
        except NO_ANSWER as error:
            raise DatabaseUnavailable(f"Dagster's web server does not answer: {error}") from error
        return [
            Run(run["runId"], run["jobName"], run["status"], run["status"] in ENDED, run["startTime"], run["endTime"])
            for run in reversed(found)
        ]

    def listens(self) -> bool:
        """Say whether our web server answers: one that reads this home, and not another one on the same port."""
        try:
            config = yaml.safe_load(self._ask(WHOSE)["instance"]["info"])
            return bool(config["local_artifact_storage"]["config"]["base_dir"] == str(self._home))
        except NO_ANSWER:
            return False

    def _sensor_ticked(self) -> bool:
        where = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__", "sensorName": SENSOR}
        try:
            return bool(self._ask(TICKS, sensor=where, after=self._began)["sensorOrError"]["sensorState"]["ticks"])
        except NO_ANSWER:  # it does not know the sensor yet
            return False

    def _is_opened(self) -> bool:
        return dagster_host.OPENED in self._host.printed()

    def _code_is_loaded(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._endpoint)) == 0

    def _wait_for(
        self,
        fact: Callable[[], bool],
        what: str,
        programs: Sequence[ManagedProcess],
        asked: ManagedProcess,
        timeout: timedelta,
    ) -> None:
        try:
            wait_for(fact, what, programs=programs, asked=asked, timeout=timeout)
        except DatabaseUnavailable:
            if self._host.process.poll() == dagster_host.WRONG:
                raise ConfigurationError(self._host.printed().splitlines()[-1]) from None
            raise

    def _ask(self, query: str, **variables: object) -> Any:
        connection = HTTPConnection(HOST, self.port, timeout=PATIENCE.total_seconds())
        try:
            body = json.dumps({"query": query, "variables": variables})
            connection.request("POST", "/graphql", body, {"content-type": "application/json"})
            return json.loads(connection.getresponse().read())["data"]
        finally:
            connection.close()


@contextmanager
def running_dagster(
    home: Path, logs: Path, environment: Mapping[str, str], *, port: int = 0, code: str = CODE
) -> Iterator[LocalDagster]:
    """Start all of Dagster, and stop it at the end: see `starting_dagster`."""
    with starting_dagster(home, logs, environment, port=port) as dagster:
        dagster.load_code(logs, environment, code)
        dagster.connect()
        yield dagster


@contextmanager
def starting_dagster(
    home: Path, logs: Path, environment: Mapping[str, str], *, port: int = 0
) -> Iterator[LocalDagster]:
    """Start Dagster's web server and daemon with the dagster.yaml that we ship, and stop everything at the end.

    They begin to work once code is loaded and they are connected with it.

    Args:
        home: its DAGSTER_HOME; all that it stores is in there.
        logs: takes what the processes print.
        environment: the environment variables of its processes.
        port: of the web server; another one is taken where it is not free.

    Raises:
        ConfigurationError: the dagster.yaml that we ship cannot be used.
        DatabaseUnavailable: the program ended; the text has its last lines.
    """
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(anchored(readable(shipped("dagster.yaml")), home))
    workspace_in(home).unlink(missing_ok=True)
    command = (sys.executable, "-m", "recurrence_pipeline.local.dagster_host", str(workspace_in(home)))
    environment = {**environment, "DAGSTER_HOME": str(home), dagster_host.PORT: str(port)}
    host = ManagedProcess.start("dagster", command, cwd=home, log=logs / "dagster.log", environment=environment)
    # A socket of our own: whoever may talk to a code server can run code in it.
    with tempfile.TemporaryDirectory(prefix="recurrence-") as ours:
        dagster = LocalDagster(home, host, Path(ours, "code"))
        try:
            try:
                found = _port(host)
            except PortTaken:
                host.environment[dagster_host.PORT] = "0"
                host.start_again()
                found = _port(host)
            host.environment[dagster_host.PORT] = found  # where it is looked for, should it be started again
            yield dagster
        finally:
            dagster.stop()


def _port(host: ManagedProcess) -> str:
    """Return the port as soon as the web server has it."""

    def said() -> list[str]:
        return HOSTED.findall(host.printed())

    wait_for(said, "Dagster's web server did not start", programs=[host], asked=host, timeout=READY_TIMEOUT)
    return said()[-1]


def workspace_in(home: Path) -> Path:
    """Return the file that says where the code server is: where it is there, Dagster works."""
    return home / "workspace.yaml"
