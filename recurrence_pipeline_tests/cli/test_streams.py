"""Output that nobody reads, closed streams, a full disk, words that are no UTF-8: one line, and no traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from recurrence_pipeline_tests import forked
from recurrence_pipeline_tests.commands import MISSING, WEEKLY, Run
from recurrence_pipeline_tests.term import on_terminal

RECURRENCE = [sys.executable, "-m", "recurrence_pipeline"]
FULL = Path("/dev/full")
ODD = os.fsdecode(b"\xff")
"""What Python makes of the byte 255 in its arguments and environment, which a shell passes on in a test below."""


@pytest.fixture
def environment(prepared: Run, mongodb_url: str) -> dict[str, str]:
    return os.environ | {"MONGODB_URL": mongodb_url, "LOG_LEVEL": "warning"}


def shell(line: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of a shell in which `recurrence` is the command."""
    command = f'recurrence() {{ "{sys.executable}" -m recurrence_pipeline "$@"; }}; {line}'
    return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, timeout=60, check=False)  # noqa: S607


@pytest.mark.parametrize("command", ["stats", "stats --json", "events", "version", "--help", "preview " + WEEKLY])
def test_output_that_nobody_reads_any_more_ends_it_without_a_word(environment: dict[str, str], command: str) -> None:
    """`recurrence stats | head -1` is how people look at the beginning."""
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [*RECURRENCE, *command.split()], env=environment, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("recurrence stats >&-", 0, b""),
        ("recurrence stats --json >&- 2>&-", 0, b""),
        ("recurrence stats <&- >&- 2>&-", 0, b""),
        (f"recurrence series {MISSING} >&- 2>&-", 1, b""),
        ("recurrence series x 2>&-", 2, b""),
        (f"recurrence series {MISSING} >&-", 1, b"is not there"),
    ],
)
def test_streams_that_are_closed_change_nothing(environment: dict[str, str], line: str, code: int, said: bytes) -> None:
    """As a service manager or a script may start it; what is printed must not get into another file either."""
    ran = shell(line, environment)
    assert ran.returncode == code
    assert said in ran.stderr
    assert b"Traceback" not in ran.stderr
    assert ran.stderr.count(b"\n") == bool(said)


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["stats", "stats --json", "version"])
def test_output_that_does_not_arrive_is_a_failure(environment: dict[str, str], command: str) -> None:
    """Else a script goes on with half a file."""
    ran = shell(f"recurrence {command} > {FULL}", environment)
    assert ran.returncode == 1
    assert ran.stderr == b"recurrence: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (["series", ODD], {}),
        (["trigger", "create", ODD], {}),
        (["trigger", "create", WEEKLY, "--user-id", ODD], {}),
        (["import", f"/{ODD}"], {}),
        (["stats", "--since", ODD], {}),
        (["check", "--only", ODD], {}),
        (["restore", ODD], {}),
        ([ODD], {}),
        (["stats"], {"LOG_LEVEL": ODD}),
    ],
)
def test_what_is_no_utf_8_is_asked_wrongly(
    environment: dict[str, str], command: Sequence[str], variables: dict[str, str]
) -> None:
    ran = forked.recurrence(command, environment | variables)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr.startswith(b"recurrence: ")
    assert ran.stderr.count(b"\n") == 1
    assert rb"\udcff" in ran.stderr


def test_a_file_name_that_is_no_utf_8_is_shown_as_well_as_it_can_be(
    environment: dict[str, str], tmp_path: Path
) -> None:
    ran = shell(rf"cd {tmp_path}; recurrence report --output $'r\xff'", environment)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.startswith(rb"r\udcff/report.md")
    assert (Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xff")) / "report.md").exists()


def test_a_terminal_that_knows_ascii_only_gets_what_it_can_show(environment: dict[str, str]) -> None:
    ran = shell("recurrence stats", environment | {"PYTHONIOENCODING": "ascii"})
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"| total tasks" in ran.stdout


@pytest.mark.parametrize(
    "arguments",
    [["process"], ["stats"], ["events"], ["check"], ["maintenance", "daily"], ["trigger", "complete", WEEKLY, "--now"]],
)
def test_log_lines_never_get_into_the_output(environment: dict[str, str], arguments: Sequence[str]) -> None:
    """Else a program that reads --json stumbles as soon as somebody turns on debugging."""
    ran = forked.recurrence([*arguments, "--json"], environment | {"LOG_LEVEL": "debug"})
    json.loads(ran.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ["events"],
        ["restore"],
        ["series", WEEKLY],
        ["preview", WEEKLY],
        ["stats"],
        ["stats", "--since", "100d"],
        ["replay"],
        ["check"],
        ["trigger", "complete", WEEKLY, "--now"],
    ],
    ids=" ".join,
)
def test_tables_can_be_read_at_80_columns(environment: dict[str, str], prepared: Run, arguments: list[str]) -> None:
    """A word, a time or an id that is cut into pieces can be neither read nor copied."""
    prepared("process")
    prepared("trigger", "create", MISSING, "--now")
    prepared("trigger", "delete", WEEKLY, "--user-id", MISSING, "--now", "--yes")
    shown = on_terminal(arguments, environment | {"TERM": "dumb"}, errors=False)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in shown
    cells = [cell.strip() for line in lines for cell in line.split("│")[1:-1]]
    cut = [
        cell for cell in cells if 0 < len(cell) < 24 and all(c in "0123456789abcdef" for c in cell) and len(cell) > 8
    ]
    assert cut == [], "ids are whole"
    for column in range(8):
        narrow = [line.split("│")[column] for line in lines if line.count("│") > column]
        assert not any(len(cell.strip()) == 1 and cell.strip().isalpha() for cell in narrow), "no letter stands alone"
