"""What a shell, a pipe and a narrow terminal get of the `recurrence` command."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database
from rich.cells import cell_len

from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import MISSING, OWNER, WEEKLY, Run
from recurrence_pipeline_tests.term import on_terminal

COMMAND = Path(sys.executable).with_name("recurrence")
ANSWERS = [
    ("stats",),
    ("stats", "--since", "7d"),
    ("events",),
    ("series", WEEKLY),
    ("preview", WEEKLY),
    ("replay",),
    ("restore",),
    ("resume", WEEKLY),
    ("check",),
    ("check", "--repair"),
    ("backfill",),
    ("maintenance", "daily"),
    ("maintenance", "daily", "--yes"),
    ("maintenance", "weekly"),
    ("update", WEEKLY),
    ("update", WEEKLY, "--yes"),
    ("reopen", WEEKLY),
    ("skip", WEEKLY, "--slot", "9"),
    ("skip", WEEKLY, "--slot", "9", "--yes"),
    ("process",),
    ("trigger", "complete", WEEKLY),
    ("trigger", "update", WEEKLY),
    ("trigger", "complete", WEEKLY, "--now"),
    ("trigger", "delete", WEEKLY, "--user-id", OWNER),
    ("doctor",),
    ("report",),
    ("init-db",),
    ("init-db", "--revert"),
    ("shadow",),
    ("switch", "--step", "shadow"),
    ("switch", "--step", "init-db"),
    ("switch", "--step", "backfill"),
    ("switch", "--step", "stop", "--watch", "0"),
    ("switch", "--step", "go", "--watch", "0", "--allow-quiet"),
    ("switch", "--step", "back", "--watch", "0"),
    ("version",),
]
"""Every command that answers a question or says what it did, but for `import` and `test-alert`."""


@pytest.fixture(scope="module")
def kept() -> dict[str, list[Document]]:
    """Return what the first test found in its database when it began, for the others."""
    return {}


@pytest.fixture
def busy(run: Run, few: Path, db: Database[Document], kept: dict[str, list[Document]]) -> Run:
    """Return `run`, on a database in which something went well, something was refused, and something is wrong."""
    assert run("init-db").code == 0
    if not kept:
        make_busy(run, few, db)
        kept |= {name: list(db[name].find()) for name in db.list_collection_names()}
    for name, documents in kept.items():
        db[name].delete_many({})
        if documents:
            db[name].insert_many(documents, bypass_document_validation=True)
    return run


def make_busy(run: Run, few: Path, db: Database[Document]) -> None:
    run("import", str(few))
    run("process")
    run("trigger", "create", MISSING, "--now")
    done = run("trigger", "delete", WEEKLY, "--user-id", OWNER, "--now", "--yes")
    assert done.code == 0
    orphan = {"_id": ObjectId(), "parentRecurringId": ObjectId(), "repeatType": "daily", "title": "left " * 30}
    db["tasks"].insert_one(orphan | {"userId": ObjectId(OWNER), "taskId": 99})


def keys(value: Any) -> Iterator[str]:
    """Yield all keys of a document."""
    if isinstance(value, dict):
        yield from value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(each)


@pytest.mark.parametrize("command", ANSWERS, ids=" ".join)
def test_stdout_has_the_result_alone_and_its_keys_are_in_camel_case(busy: Run, command: tuple[str, ...]) -> None:
    """Else `| jq` meets a line of the log, or a program a key that is written in two ways."""
    ran = busy(*command, "--json", LOG_LEVEL="debug")
    packages = {"recurrence-pipeline"} if command == ("version",) else set()
    assert [key for key in keys(json.loads(ran.out)) if not re.fullmatch("_{0,2}[a-z][A-Za-z0-9]*", key)] == [*packages]


@pytest.mark.parametrize("command", ANSWERS, ids=" ".join)
def test_nothing_is_wider_than_the_terminal_no_id_is_broken_and_one_is_one(
    busy: Run, mongodb_url: str, command: tuple[str, ...]
) -> None:
    shown = on_a_terminal(*command, MONGODB_URL=mongodb_url, LOG_LEVEL="error")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert [line for line in shown.splitlines() if cell_len(line) > 80] == []
    assert re.findall(r"(?<![0-9a-f])[0-9a-f]{8,23}(?![0-9a-f])", shown) == []
    assert re.findall(r"(?<![\d.,-])1 (?:event|task|occurrence|original|error|warning|failure)s\b", shown) == []


def on_a_terminal(*command: str, **environment: str) -> str:
    """Return what a terminal gets of a command."""
    shown = on_terminal(command, os.environ | {"TERM": "xterm"} | environment, errors=True)
    return re.sub(r"\x1b\[\?[0-9;]*[a-z]|\x1b\[[0-9]*[AK]", "", shown)


def test_colours_are_for_terminals_that_want_them(prepared: Run, mongodb_url: str) -> None:
    prepared("trigger", "complete", WEEKLY)
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    environment = {"MONGODB_URL": mongodb_url, "ALERT_URLS": ""}
    assert colour.search(on_a_terminal("doctor", **environment, NO_COLOR=""))
    assert not colour.search(on_a_terminal("doctor", **environment, NO_COLOR="1"))
    assert "\x1b" not in prepared("doctor").out
    piped = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=False)
    assert "\x1b" not in piped.stdout


def test_bash_completes_commands_and_options() -> None:
    """With the very lines that --install-completion leaves."""
    script = (
        'eval "$(recurrence --show-completion)";'
        "COMP_WORDS=(recurrence re); COMP_CWORD=1; _recurrence_completion recurrence; echo ${COMPREPLY[@]};"
        "COMP_WORDS=(recurrence replay --s); COMP_CWORD=2; _recurrence_completion recurrence; echo ${COMPREPLY[@]}"
    )
    environment = os.environ | {"PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=environment)  # noqa: S607
    assert ran.stdout.splitlines() == ["reopen replay restore resume report", "--status --since"]
    assert ran.stderr == ""


@pytest.mark.parametrize(("number", "said"), [(0, "0 events"), (1, "1 event"), (2, "2 events")])
def test_one_is_one(number: int, said: str) -> None:
    assert counted(number, "event") == said
    assert counted(number, "series", "series") == f"{number} series"
