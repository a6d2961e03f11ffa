"""The parts of the system: what takes long to import is started first, and the database is stopped last.

What starts and watches them imports neither Dagster nor the driver: it would keep a hundred megabytes for nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from operator import call
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

from recurrence_pipeline.config.secrets import read_secret_files
from recurrence_pipeline.config.settings import SECRET, Settings
from recurrence_pipeline.local import processes
from recurrence_pipeline.local.api import PORT, LocalApi, running_api
from recurrence_pipeline.local.dagster import UI_URL, LocalDagster, starting_dagster
from recurrence_pipeline.local.embedded import EmbeddedServer, FolderInUse, PortInUse
from recurrence_pipeline.local.supervisor import ManagedProcess, Process

if TYPE_CHECKING:
    from recurrence_pipeline.bootstrap import Worker

MONGODB_URL = "MONGODB_URL"
DATABASE = "task-app"
PREFERRED_MONGODB_PORT = 27117
"""Not MongoDB's own 27017, or an application whose database is down would find ours instead."""
PREFERRED_DAGSTER_PORT = 3000
PREFERRED_API_PORT = 3001
"""Where PORT is not set: its default, 3000, is Dagster's here, and the application's where that runs."""
LETTING_GO = timedelta(seconds=10)
"""A server that was killed together with its starter may hold its folder for a moment longer."""

Say = Callable[[str], None]
Prepare = Callable[["Worker", bool], None]


@dataclass(frozen=True)
class LocalStack:
    """The running system. `embedded` is None where the database is somebody else's."""

    mongodb_url: str
    api: LocalApi
    dagster: LocalDagster
    embedded: ManagedProcess | None
    opened: "Callable[[], Worker]"

    @cached_property
    def worker(self) -> "Worker":
        """A worker of the system's database, opened when it is first asked for: to look on, nothing of it is needed."""
        return self.opened()

    @property
    def programs(self) -> tuple[ManagedProcess, ...]:
        """Everything that runs as a process of its own."""
        return (self.api.program, *self.dagster.programs, *([self.embedded] if self.embedded else []))

    def check(self) -> None:
        """Do nothing while all of it runs.

        Raises:
            DatabaseUnavailable: a process has ended; the text has its last lines.
        """
        for program in self.programs:
            program.check()


@contextmanager
def running(
    home: Path,
    environment: Mapping[str, str],
    say: Say,
    *,
    prepare: Prepare = lambda _worker, _ours: None,
    throwaway: bool = False,
    light: bool = False,
) -> Iterator[LocalStack]:
    """Start the system, and stop it at the end.

    The database is the one that MONGODB_URL names or, where that is not set, an embedded one under `home`.

    Args:
        home: holds all that is stored and logged; one system at a time may use it, which callers see to.
        environment: the settings, and whatever else the processes shall find.
        say: is told what is being done.
        prepare: is called with the worker before anything else works on the database, and whether that is our own.
        throwaway: nothing is kept. In somebody else's server all goes to a database of its own, dropped at the end.
        light: this process, which has no threads, is to stay small: a copy of it prepares the database.

    Raises:
        ConfigurationError: a setting is wrong, a part is not installed, or `home` cannot be used.
        DatabaseUnavailable: a part did not start; the text has its last lines.
    """
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    environment = read_secret_files(environment, SECRET)
    if throwaway:  # whoever looks on waits for its runs to end
        environment = {"WORKER_IDLE_TIMEOUT": "0", **environment}
    of_the_api = environment.get(PORT, "").strip()
    port = 0 if throwaway or of_the_api == str(PREFERRED_DAGSTER_PORT) else PREFERRED_DAGSTER_PORT
    with ExitStack() as database, ExitStack() as stack:
        say("Starting the database, Dagster and the internal API")
        # First, for it imports the most; nothing of it works before it is connected.
        dagster = stack.enter_context(starting_dagster(home / "dagster", logs, environment, port=port))
        url, embedded = _database(home, logs, environment, say, database, throwaway=throwaway)
        environment = {**environment, MONGODB_URL: url}
        settings = Settings.from_environment(environment)
        if throwaway and not embedded:
            database.callback(_drop, settings)
        do = processes.apart if light else call
        do(partial(_prepare, settings, prepare, ours=embedded is not None))
        dagster.load_code(logs, environment)
        api_port = 0 if throwaway else PREFERRED_API_PORT
        api_environment = environment | {UI_URL: dagster.ui_url} | ({PORT: "", "HOST": ""} if throwaway else {})
        api = stack.enter_context(running_api(logs, api_environment, cwd=home, port=api_port))
        dagster.connect()
        stack.callback(say, "Stopping everything")
        _tell_of_port(say, "internal API", api.port, api_port if not environment.get(PORT) else 0)
        dagster.wait_until_it_listens(dagster.programs)

        def opened() -> "Worker":
            from recurrence_pipeline.bootstrap import open_worker  # noqa: PLC0415 (loads the driver)

            return stack.enter_context(open_worker(settings))

        yield LocalStack(url, api, dagster, embedded, opened)


def _database(
    home: Path, logs: Path, environment: Mapping[str, str], say: Say, stack: ExitStack, *, throwaway: bool
) -> "tuple[str, EmbeddedProgram | None]":
    """Return the URL of the database, and the one that was started where none is named."""
    url = environment.get(MONGODB_URL, "").strip()
    if url:
        return with_database(url, f"recurrence_demo_{uuid4().hex[:8]}") if throwaway else url, None
    port = 0 if throwaway else PREFERRED_MONGODB_PORT
    embedded = EmbeddedProgram(home / "mongodb", logs / "mongodb.log", port)
    stack.callback(embedded.kill if throwaway else embedded.stop)
    _tell_of_port(say, "database", embedded.server.port, port)
    return embedded.server.url(DATABASE), embedded


def _prepare(settings: Settings, prepare: Prepare, *, ours: bool) -> None:
    from recurrence_pipeline.bootstrap import open_worker  # noqa: PLC0415 (loads the driver)

    with open_worker(settings) as worker:
        worker.init_db()
        prepare(worker, ours)


def _drop(settings: Settings) -> None:
    from recurrence_pipeline.bootstrap import open_worker  # noqa: PLC0415 (loads the driver)

    with open_worker(settings) as worker:
        worker.mongo.drop()


def _tell_of_port(say: Say, what: str, port: int, preferred: int) -> None:
    """Say that another port was taken than programs are told of, the examples among them."""
    if preferred and port != preferred:
        say(f"Port {preferred} is in use: the {what} listens on {port}")


def without_password(url: str) -> str:
    """Return a MongoDB URL that can be shown."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}{at}{hosts}").geturl()


def with_database(url: str, database: str) -> str:
    """Return a MongoDB URL that names another database; users are still looked up where they were."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query)
    if "@" in parts.netloc and not any(name.lower() == "authsource" for name, _ in options):
        options.append(("authSource", parts.path.strip("/") or "admin"))
    return parts._replace(path=f"/{database}", query=urlencode(options)).geturl()


class EmbeddedProgram(ManagedProcess):
    """The embedded database as a program that can be started again: on the same port, where its clients look for it."""

    def __init__(self, folder: Path, log: Path, port: int) -> None:
        self.server = _start_embedded(folder, log, port)
        super().__init__("the embedded database", self.server.process, log, lambda: self._again(folder))

    def stop(self) -> None:
        """Let it close its files and end."""
        self.server.stop()

    def kill(self) -> None:
        """End it at once."""
        self.server.kill()

    def _again(self, folder: Path) -> Process:
        self.server = _start_embedded(folder, self.log, self.server.port, another=False)
        return self.server.process


def _start_embedded(folder: Path, log: Path, port: int, *, another: bool = True) -> EmbeddedServer:
    """Start it on that port, or on `another` one where that is taken, as soon as the folder is free."""
    deadline = monotonic() + LETTING_GO.total_seconds()
    while True:
        try:
            return EmbeddedServer.start(folder, port=port, log_file=log)
        except PortInUse:
            if not (another and port):
                raise
            port = 0
        except FolderInUse:
            if monotonic() > deadline:
                raise
            sleep(0.2)
