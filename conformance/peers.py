"""Other programs that read rules: installed at pinned versions into folders of their own, and asked there.

Nothing of them gets into the project's environment. A peer that cannot be installed has a reason instead of answers.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

HERE = Path(__file__).parent
INSTALLATION = 180
"""Seconds that the installation of one peer may take."""

PATIENCE = 20
"""Seconds to wait for an answer; one that takes longer counts as none."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A package at one version; `needs` comes along with it."""

    package: str
    version: str
    registry: str = "PyPI"
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


PEERS = (
    Peer("python-dateutil", "2.9.0.post0"),
    Peer("python-dateutil", "4.0.0"),
    Peer("python-dateutil-rs", "0.1.7"),
    Peer("recurring-ical-events", "3.8.2", needs=("icalendar==7.3.2", "python-dateutil==2.9.0.post0")),
    Peer("ical", "14.3.1", needs=("python-dateutil==2.9.0.post0",)),
    Peer("rrule", "2.8.1", "npm"),
    Peer("rrule-temporal", "2.2.8", "npm"),
    Peer("rrule-rust", "3.1.1", "npm"),
    Peer("ical.js", "2.2.1", "npm"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """What comes of a rule: its first times, or those after a known one; `seconds` to measure for, 0 for not at all.

    Times are on the wall clock, `YYYY-MM-DDTHH:MM`; in no zone where `zone` is None. `before` is for a peer that
    has to be told where to end, and lies behind the last time that is asked for.
    """

    rule: str
    start: str
    count: int
    zone: str | None = None
    after: str | None = None
    seconds: float = 0
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer found, in microseconds if it was measured; or why it found nothing."""

    found: tuple[str, ...] = ()
    us: float = 0
    error: str = ""


class NotInstalled(Exception):
    """A peer is not to be had here; the text says why."""


def install(peer: Peer, folder: Path) -> list[str]:
    """Install a peer into a folder that does not exist yet, and return the command that runs it.

    Raises:
        NotInstalled: there is no Node, the registry is out of reach, the version is not there ...
    """
    folder.mkdir(parents=True)
    if peer.registry == "PyPI":
        python = str(folder / "bin" / "python")
        _run([sys.executable, "-m", "venv", str(folder)], folder)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
        _run([*pip, f"{peer.package}=={peer.version}", *peer.needs, "tzdata"], folder)
        return [python, str(HERE / "peer.py"), peer.package]
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalled("Node and npm are not installed")
    (folder / "package.json").write_text("{}", encoding="utf-8")
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _run([npm, "install", *flags, f"{peer.package}@{peer.version}"], folder)
    return [node, str(HERE / "peer.mjs"), peer.package]


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        ran = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALLATION, check=False, env=_environment()
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"its installation did not end within {INSTALLATION} s") from None
    if ran.returncode:
        said = (ran.stderr or ran.stdout).strip().splitlines() or ["it failed"]
        told = [line for line in said if line.startswith(("ERROR:", "npm error"))] or said
        raise NotInstalled(told[-1].removeprefix("ERROR: "))


def ask(command: Sequence[str], folder: Path, questions: Sequence[Question]) -> list[Answer]:
    """Put questions to a peer, one after the other; where it does not answer, it is begun anew for the next one."""
    answers: list[Answer] = []
    while len(answers) < len(questions):
        rest = questions[len(answers) :]
        answers += _answers(command, folder, rest)
    return answers


def _answers(command: Sequence[str], folder: Path, questions: Sequence[Question]) -> Iterator[Answer]:
    """Yield answers, up to the first question that gets none, at which the process ends."""
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, env=_environment(),
            )
        )  # fmt: skip
        stack.callback(process.kill)
        lines: Queue[str] = Queue()
        Thread(target=_read, args=(process, lines), daemon=True).start()
        for question in questions:
            try:
                _write(process, question)
                line = lines.get(timeout=PATIENCE + 2 * question.seconds)
            except Empty:
                yield Answer(error=f"no answer in {PATIENCE} s")
                return
            except OSError:
                line = ""
            if not line:
                yield Answer(error="the process ended")
                return
            said: dict[str, Any] = json.loads(line)
            yield Answer(tuple(said.get("found", ())), said.get("us", 0), said.get("error", ""))


def _write(process: "subprocess.Popen[str]", question: Question) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    process.stdin.write(json.dumps(asdict(question)) + "\n")
    process.stdin.flush()


def _read(process: "subprocess.Popen[str]", lines: "Queue[str]") -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    for line in process.stdout:
        lines.put(line)
    lines.put("")


def _environment() -> dict[str, str]:
    """Return an environment in which the clock of the machine shows UTC, and no path leads to the project."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"TZ": "UTC"}
