"""Commands of ours as processes, marked by an environment variable that all their descendants inherit.

So a test can tell what they left behind, whoever the parent is by then. Reads /proc: Linux only.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

MARK = "RECURRENCE_TEST_MARK"
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Command:
    """A running `recurrence` command; what it prints, errors included, goes to a file."""

    process: "subprocess.Popen[bytes]"
    output: Path
    mark: str

    def printed(self) -> str:
        """Return all that it has printed so far."""
        return self.output.read_text()

    def found(self, pattern: str) -> str:
        """Return the first group of a pattern in what was printed, or nothing."""
        match = re.search(pattern, self.printed())
        return match[1] if match else ""

    def family(self, *words: str) -> list[int]:
        """Return the ids of all living processes that descend from it, itself included, whose command has the words."""
        return [pid for pid, line in _marked(self.mark) if all(word in line for word in words)]

    def kill_family(self) -> None:
        """Kill -9 all of it."""
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def recurrence(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Command]:
    """Run a `recurrence` command in a folder; at the end nothing of it is left."""
    mark = uuid4().hex
    output = folder / f"output-{mark[:8]}.txt"
    inherited = {name: value for name, value in os.environ.items() if name != "MONGODB_URL"}
    with (
        output.open("wb") as file,
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from recurrence_pipeline.cli import main; sys.exit(main())",
                *arguments,
            ],
            cwd=folder,
            env={**inherited, **(environment or {}), MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        command = Command(process, output, mark)
        try:
            yield command
        finally:
            command.kill_family()


def _marked(mark: str) -> Iterator[tuple[int, str]]:
    wanted = f"{MARK}={mark}".encode()
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile, or is not ours
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    yield int(entry.name), line
