"""`.recurrence/up.json`: what `recurrence up` runs in a folder, so that commands started there find it by themselves.

It holds addresses and process ids, and no secret: of a database that MONGODB_URL named it says only that there is one.
"""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from recurrence_pipeline.config.secrets import SUFFIX
from recurrence_pipeline.domain.errors import ConfigurationError

KEPT_IN = ".recurrence"
"""The folder, ignored by git, that keeps what runs on this machine stores."""

UP_FILE = "up.json"
MONGODB_URL, DAGSTER_UI_URL, PORT, HOST = "MONGODB_URL", "DAGSTER_UI_URL", "PORT", "HOST"
DEFAULT_DATABASE = ("localhost", 27017)
SIGN_OF_LIFE = 2
"""Seconds for a connection on this machine."""


@dataclass(frozen=True, slots=True)
class UpFile:
    """What runs: `pid` is that of `recurrence up`, `pids` those of its parts; no `mongodb_url` where it is not ours."""

    pid: int
    mongodb_url: str | None
    api_url: str
    dagster_url: str
    pids: Mapping[str, int] = field(default_factory=dict)

    def write(self, home: Path) -> None:
        """Store it, for this user's eyes only; a reader sees the old one or the new one, never half of it."""
        new = home / f"{UP_FILE}.new"
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(self), indent=2) + "\n")
        new.replace(home / UP_FILE)

    @staticmethod
    def remove(home: Path) -> None:
        """Remove it: nothing runs any more."""
        (home / UP_FILE).unlink(missing_ok=True)


def read_up_file(folder: Path) -> UpFile | None:
    """Return what runs in a folder; None where nothing does, and where what did was killed."""
    try:
        stored = json.loads((folder / KEPT_IN / UP_FILE).read_text(encoding="utf-8"))
        found = UpFile(**stored)
        os.kill(found.pid, 0)
    except (OSError, ValueError, TypeError, OverflowError):
        return None
    return found


def with_what_runs(environment: Mapping[str, str], folder: Path, *, api: bool = False) -> tuple[dict[str, str], str]:
    """Return the environment with the addresses of what runs in `folder`, each only where it is not set; and a remark.

    Args:
        environment: the variables that are set.
        folder: where the command was started.
        api: whether it asks the API; not the one that serves it.

    Raises:
        ConfigurationError: no database is named, none runs in the folder, and none answers where it is by default.
    """
    named = {name for name, value in environment.items() if value.strip()}
    running = read_up_file(folder)
    found: dict[str, str] = {}
    remark = ""
    if not {MONGODB_URL, MONGODB_URL + SUFFIX} & named:
        if running is None:
            _require_default()
        elif running.mongodb_url is None:
            raise ConfigurationError(
                f"{MONGODB_URL} is not set here, and the `recurrence up` of this folder works on a database that it "
                "names: set it as it was set there"
            )
        else:
            _require_answer(running)
            found[MONGODB_URL] = running.mongodb_url
            remark = f"the database is that of `recurrence up` in this folder: {running.mongodb_url.partition('?')[0]}"
    if running is not None:
        found |= {DAGSTER_UI_URL: running.dagster_url}
        if api and not {PORT, HOST} & named:
            address = urlsplit(running.api_url)
            found |= {PORT: str(address.port), HOST: str(address.hostname)}
    return {**found, **{name: value for name, value in environment.items() if name in named}}, remark


def _require_default() -> None:
    if not _answers(*DEFAULT_DATABASE):
        raise ConfigurationError(
            f"{MONGODB_URL} is not set, no `recurrence up` runs in this folder, and nothing answers at "
            f"{':'.join(map(str, DEFAULT_DATABASE))}: set {MONGODB_URL} (such as mongodb://db.example.org/task-app), "
            "or start `recurrence up` here"
        )


def _require_answer(running: UpFile) -> None:
    """Make sure that the database is there: a process id that was written down may belong to another program by now."""
    address = urlsplit(running.mongodb_url or "")
    if not _answers(str(address.hostname), address.port or 0):
        raise ConfigurationError(
            f"{MONGODB_URL} is not set, and the database of the `recurrence up` that ran in this folder does not "
            f"answer at {address.netloc}: set {MONGODB_URL}, or start `recurrence up` here"
        )


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=SIGN_OF_LIFE).close()
    except OSError:
        return False
    return True
