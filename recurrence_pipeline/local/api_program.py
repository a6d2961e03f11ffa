"""The internal API on this machine, as a program of its own; and a look at it from outside, for the demo."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx

from recurrence_pipeline.local.supervision import HOST, Program, free_port, stop, wait_for
from recurrence_pipeline.settings import Settings

READY_TIMEOUT = timedelta(seconds=60)
DOCS = "/internal/docs"
PORT = "PORT"
EVERYWHERE = frozenset({"0.0.0.0", "::", "localhost"})  # noqa: S104 (names them, binds nothing)
"""What HOST may say where loopback is among what it means."""


@dataclass(frozen=True, slots=True)
class LocalApi:
    """The running API."""

    host: str
    port: int
    program: Program

    @property
    def url(self) -> str:
        """Where programs ask."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def docs_url(self) -> str:
        """Where people look."""
        return self.url + DOCS

    def wait_until_ready(self, programs: tuple[Program, ...], timeout: timedelta = READY_TIMEOUT) -> None:
        """Return once it answers.

        Raises:
            Outage: one of `programs` ended, or it took too long; the text says what it printed.
        """
        wait_for(
            self._answers, "The internal API did not answer", programs=programs, asked=self.program, timeout=timeout
        )

    def client(self, settings: Settings) -> httpx.Client:
        """Return a client of it, which has the key where one is set."""
        keys = settings.api_keys()
        headers = {"x-internal-api-key": keys[0].decode()} if keys else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30)

    def _answers(self) -> bool:
        try:
            # Whatever the access rules are, an unknown path is not found.
            found = httpx.get(f"{self.url}/internal", trust_env=False).status_code
        except httpx.HTTPError:
            return False
        return found == HTTPStatus.NOT_FOUND


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
    wanted = environment.get(PORT, "").strip()
    chosen = wanted if wanted not in {"", "0"} else str(free_port(port))
    log = logs / "api.log"
    log.unlink(missing_ok=True)
    program = Program.start(
        "the internal API",
        [sys.executable, "-m", "recurrence_pipeline", "api"],
        cwd=cwd,
        log=log,
        environment={**environment, PORT: chosen},
    )
    try:
        yield LocalApi(HOST if host in EVERYWHERE else host, int(chosen), program)
    finally:
        stop([program])
