"""The internal API on this machine, as a program of its own; and a look at it from outside, for the demo."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.local.processes import HOST
from recurrence_pipeline.local.supervisor import ManagedProcess, PortTaken, stop, wait_for

if TYPE_CHECKING:
    import httpx

READY_TIMEOUT = timedelta(seconds=60)
DOCS, PAGES = "/internal/docs", "/internal/ui"
PORT = "PORT"
EVERYWHERE = frozenset({"0.0.0.0", "::", "localhost"})  # noqa: S104 (names them, binds nothing)
"""What HOST may say where loopback is among what it means."""
LISTENS = re.compile(r"^Internal API: \S+?:(\d+)(?:,|$)", re.MULTILINE)
"""The line in which `recurrence api` says, once it listens, where."""


@dataclass(frozen=True, slots=True)
class LocalApi:
    """The running API."""

    host: str
    port: int
    program: ManagedProcess

    @property
    def url(self) -> str:
        """Where programs ask."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def docs_url(self) -> str:
        """Where people look who write programs."""
        return self.url + DOCS

    @property
    def pages_url(self) -> str:
        """Where people look at series."""
        return self.url + PAGES

    def client(self, settings: Settings) -> "httpx.Client":
        """Return a client of it, which has the key where one is set."""
        import httpx  # noqa: PLC0415 (only the demo asks)

        keys = settings.api_keys()
        headers = {"x-internal-api-key": keys[0].decode()} if keys else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30)


@contextmanager
def running_api(logs: Path, environment: Mapping[str, str], *, cwd: Path, port: int = 0) -> Iterator[LocalApi]:
    """Start the API, and stop it at the end.

    Args:
        logs: takes what it prints.
        environment: its settings. Where PORT is among them, that port is taken or it fails.
        cwd: its working folder.
        port: where PORT is not set; another one is taken where it is not free.
    """
    host = Settings.from_environment(environment).host[0]
    asked = environment.get(PORT, "").strip()
    fixed = asked not in {"", "0"}
    log = logs / "api.log"
    if log.exists():  # what it says of itself is read from there; what the one before said stays for whoever asks why
        log.replace(logs / "api.log.1")

    def start(chosen: str) -> ManagedProcess:
        command = [sys.executable, "-m", "recurrence_pipeline", "api"]
        return ManagedProcess.start(
            "the internal API", command, cwd=cwd, log=log, environment={**environment, PORT: chosen}
        )

    program = start(asked if fixed else str(port))
    try:
        try:
            found = _port(program)
        except PortTaken:
            if fixed:
                raise
            stop([program])
            program = start("0")
            found = _port(program)
        program.environment[PORT] = str(found)  # where it is looked for, should it be started again
        yield LocalApi(HOST if host in EVERYWHERE else host, found, program)
    finally:
        stop([program])


def _port(program: ManagedProcess) -> int:
    """Wait until it listens, and return where: it says so itself, for another program may answer on the port it wants.

    Raises:
        PortTaken: it ended because the port is another's.
        DatabaseUnavailable: it ended, or it took too long; the text says what it printed.
    """

    def listens_or_ended() -> bool:
        return program.process.poll() is not None or LISTENS.search(program.printed()) is not None

    wait_for(listens_or_ended, "The internal API did not listen", programs=[], asked=program, timeout=READY_TIMEOUT)
    program.check()
    return int(LISTENS.findall(program.printed())[-1])
