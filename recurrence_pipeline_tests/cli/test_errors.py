"""The `recurrence` command: its help, and how it refuses: one line on stderr, and a code that says whose turn it is."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database
from typer.main import get_command

from recurrence_pipeline.cli import app
from recurrence_pipeline.cli.session import Panel
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import MISSING, WEEKLY, Run
from recurrence_pipeline_tests.waiting import wait_until

COMMANDS: dict[str, Any] = getattr(get_command(app), "commands")  # noqa: B009  (a group has them, which its type does not say)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(run: Run, command: str) -> None:
    ran = run(command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"recurrence {command}" in ran.out.split("Example:")[1]
    assert run(command, "-h") == ran


@pytest.mark.parametrize("command", COMMANDS)
def test_what_an_option_takes_has_one_name_everywhere(command: str) -> None:
    """A flag takes nothing and a choice names its values; everything else says what it wants in a word."""
    words = {"ID", "TASK_ID", "EVENT_ID", "DELETION_ID", "N", "TIME", "FOLDER", "NAME", "CODE", "RULE", "DATE", "FILE"}
    words |= {"USER_ID", "TEXT", "ZONE", "RUN", "SHARE", "POLICY", "SEED", "SECONDS", "N/M"}
    wanted = {"since": "TIME", "until": "TIME", "limit": "N", "count": "N", "user_id": "ID", "folder": "FOLDER"}
    for parameter in COMMANDS[command].params:
        assert parameter.metavar is None or parameter.metavar in words, parameter.name
        assert parameter.metavar == wanted.get(parameter.name, parameter.metavar), parameter.name


def test_help_lists_all_commands_with_whole_sentences(run: Run) -> None:
    ran = run("--help")
    assert [name for name in COMMANDS if re.search(rf"^│ {name} +\S.*[.] +│$", ran.out, re.MULTILINE)] == list(COMMANDS)
    assert "..." not in ran.out.split("First steps")[1]
    assert re.findall(r"^╭─ (?!Options)(.*?) ─+╮$", ran.out, re.MULTILINE) == [panel.value for panel in Panel]
    assert run().out == ran.out == run("-h").out
    assert run().code == 2


ASKED_WRONGLY = [
    (("fly",), "No such command 'fly'"),
    (("process", "--limit", "0"), "--limit"),
    (("process", "--limit", "many"), "--limit"),
    (("import",), "name a FOLDER, or say --sample"),
    (("import", ".", "--sample"), "not both"),
    (("import", "/nowhere/at/all"), "/nowhere/at/all: no such folder"),
    (("trigger", "undo", WEEKLY), "'undo' is not one of 'create', 'complete', 'delete', 'update', 'reopen', 'skip'"),
    (("trigger", "create"), "TASK_ID"),
    (("trigger", "create", "17"), "taskId: '17' is not an id of 24 hex digits"),
    (("trigger", "create", WEEKLY, "--user-id", "me"), "userId: 'me' is not an id"),
    (("trigger", "delete", WEEKLY), "userId is required for delete operation"),
    (("preview", WEEKLY, "-n", "1001"), "--count"),
    (("preview", "x"), "taskId: 'x'"),
    (("series", "x"), "taskId: 'x'"),
    (("stats", "--user-id", "x"), "userId: 'x'"),
]


@pytest.mark.parametrize(("arguments", "reason"), ASKED_WRONGLY, ids=lambda value: " ".join(value)[:40])
def test_what_was_asked_wrongly_is_one_line_and_code_2(prepared: Run, arguments: tuple[str, ...], reason: str) -> None:
    ran = prepared(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("recurrence: ")
    assert ran.err.count("\n") == 1
    assert reason in ran.err


@pytest.mark.parametrize("command", ["init-db", "process", "stats", "demo", "up"])
def test_every_wrong_variable_is_named_on_one_line(run: Run, command: str) -> None:
    ran = run(command, WORKER_TIMEOUT="soon", LOG_LEVEL="loud")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "recurrence: WORKER_TIMEOUT: 'soon' is not a number of milliseconds; "
        "LOG_LEVEL: 'loud' is not one of debug, info, warning, error\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("preview", MISSING), f"Task {MISSING}, or the original of its series, is not there"),
        (("series", MISSING), f"Task {MISSING} is not there"),
    ],
)
def test_what_is_not_there_is_one_line_and_code_1(prepared: Run, arguments: tuple[str, ...], reason: str) -> None:
    ran = prepared(*arguments)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("recurrence: ")
    assert ran.err.count("\n") == 1
    assert reason in ran.err


def test_what_failed_now_is_one_line_after_the_line_of_the_log(prepared: Run) -> None:
    ran = prepared("trigger", "create", MISSING, "--now")
    assert (ran.code, ran.out) == (1, "")
    logged, said = ran.err.splitlines()
    assert json.loads(logged)["taskId"] == MISSING
    assert said == "recurrence: Worker processing failed for operation: create: Original task not found"


@pytest.mark.parametrize(
    "arguments",
    [("process",), ("import", "--sample"), ("stats",), ("trigger", "create", WEEKLY), ("process", "--json")],
)
def test_a_database_that_was_not_prepared_gets_a_hint_and_nothing_in_it(
    run: Run, db: Database[Document], arguments: tuple[str, ...]
) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (1, "")
    assert "run `recurrence init-db` first" in ran.err
    assert ran.err.count("\n") == 1
    assert db.list_collection_names() == []


def test_a_database_that_is_away_is_named_without_its_password(run: Run) -> None:
    away = "mongodb://worker:t0p-secret@127.0.0.1:1/x?serverSelectionTimeoutMS=200"
    ran = run("stats", MONGODB_URL=away, WORKER_TIMEOUT="300")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("recurrence: database: 127.0.0.1:1: ")
    assert ran.err.count("\n") == 1
    assert "t0p-secret" not in ran.err


def test_ctrl_c_ends_with_a_summary_and_code_130(prepared: Run, mongodb_url: str, db: Database[Document]) -> None:
    """A person who has waited long enough wants the prompt back and to know what was done, not a traceback."""
    far = db["task_events"].find_one() or {}
    db["task_events"].insert_one(
        far | {"_id": ObjectId(), "availableAt": datetime.now(timezone.utc) + timedelta(days=365)}
    )
    process = "from recurrence_pipeline.cli import main; raise SystemExit(main(['process', '--until-empty', '--json']))"
    waiting = subprocess.Popen(
        [sys.executable, "-c", process],
        env=os.environ | {"MONGODB_URL": mongodb_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with waiting:
        wait_until(lambda: db["task_events"].find_one({"status": "completed"}), "it processes what is due")
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=20)
    assert (waiting.returncode, err) == (130, b"")
    told = json.loads(out)
    assert (told["completed"], told["unfinished"]) == (1, 1)


@pytest.mark.parametrize("command", ["--help", "version"])
def test_starting_up_imports_nothing_heavy(command: str) -> None:
    """Else every command, and every tab in a terminal, takes a second and a half longer."""
    code = (
        "import sys; from recurrence_pipeline.cli import main; "
        f"main(['{command}']); print([m for m in ('dagster', 'pandas', 'pymongo') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("[]\n")
