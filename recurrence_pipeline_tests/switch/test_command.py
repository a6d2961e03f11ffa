"""`recurrence switch`: single steps for programs, a guide for people."""

import json
import os
import re

import pytest

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.switch.application import Application
from recurrence_pipeline_tests.term import on_terminal


def step(run: Run, name: str, *more: str) -> tuple[int, Document]:
    """Do a step as a program does, and return the exit code and what it printed."""
    ran = run("switch", "--step", name, "--watch", "0", "--json", *more, LOG_LEVEL="error")
    assert ran.err == ""
    return ran.code, _read(ran.out)


def _read(text: str) -> Document:
    read = json.loads(text)
    assert isinstance(read, dict)
    return read


def test_the_exit_code_says_whether_the_next_step_may_follow(run: Run, application: Application) -> None:
    code, said = step(run, "shadow")
    assert (code, said["done"], said["figures"]) == (0, True, {"series": 1, "same": 1, "faults": 0})
    assert step(run, "init-db")[0] == 0
    assert step(run, "backfill")[0] == 0
    code, said = step(run, "stop")
    assert (code, said["done"], said["figures"]["previousWorker"]) == (1, False, "unknown")
    assert step(run, "go")[0] == 1
    application.write_events()
    application.create("weekly")
    code, said = step(run, "stop")
    assert (code, said["figures"]["previousWorker"], said["figures"]["handed"]) == (0, "silent", 1)
    code, said = step(run, "go")
    assert (code, said["figures"]["processed"]) == (0, 1)
    assert step(run, "back")[0] == 0


def test_a_step_out_of_its_turn_is_refused_in_one_line(run: Run, application: Application) -> None:
    ran = run("switch", "--step", "go", "--watch", "0")
    assert (ran.code, ran.out) == (1, "")
    assert "run `recurrence init-db` first" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--step", "stopp"), "stopp"), (("--watch", "-1"), "'--watch'"), (("--since", "soon"), "since: 'soon'")],
)
def test_what_is_asked_wrongly_is_named(run: Run, options: tuple[str, ...], said: str) -> None:
    ran = run("switch", *options)
    assert ran.code == 2
    assert said in ran.err


def test_without_a_step_a_program_is_told_which_is_next(run: Run, application: Application) -> None:
    first = run("switch", "--json").json
    assert (first["next"], {each["done"] for each in first["steps"]}) == ("shadow", {False})
    assert "run `recurrence init-db` first" in first["steps"][1]["found"][0]
    run("switch", "--step", "init-db")
    told = run("switch", "--json").json
    assert [(each["step"], each["done"]) for each in told["steps"]] == [
        ("shadow", True), ("init-db", True), ("backfill", False), ("stop", False), ("go", False),
    ]  # fmt: skip
    shown = run("switch").out
    assert "Next: recurrence switch --step backfill" in shown
    application.write_events()
    application.create("weekly")
    assert run("switch", "--json").json["next"] == "go"


def guided(mongodb_url: str, typed: str) -> str:
    """Go through the guide on a terminal, and return what it shows."""
    environment = os.environ | {"TERM": "dumb", "NO_COLOR": "1", "MONGODB_URL": mongodb_url, "LOG_LEVEL": "error"}
    shown = on_terminal(("switch", "--watch", "0"), environment, errors=True, columns=200, typed=typed)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)


def results(shown: str) -> list[str]:
    return re.findall(r"\[Y/n\]: ([a-z-]+: (?:not )?done)$", shown, re.MULTILINE)


def test_the_guide_asks_before_each_step_and_goes_on_where_it_was_left(
    mongodb_url: str, application: Application
) -> None:
    assert results(guided(mongodb_url, "n\n")) == []
    assert "task_events" not in application.db.list_collection_names()

    shown = guided(mongodb_url, "y\ny\ny\ny\nn\n")
    assert results(shown) == ["shadow: done", "init-db: done", "backfill: done", "stop: not done"]
    assert "It goes on here at any time" in shown
    assert "worker_state" in application.db.list_collection_names()

    application.write_events()
    series = application.create("weekly")
    shown = guided(mongodb_url, "\n")
    assert results(shown) == ["go: done"]
    assert "recurrence switch --step back" in shown
    assert application.days(series) == [7, 14, 21]


def test_a_guide_that_is_cut_off_at_a_question_has_written_nothing_more(
    mongodb_url: str, application: Application
) -> None:
    """Ctrl-D, or a terminal that is closed."""
    shown = guided(mongodb_url, "y\n\x04")
    assert results(shown) == ["shadow: done"]
    assert "task_events" not in application.db.list_collection_names()
