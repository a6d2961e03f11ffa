"""`recurrence check` and `resume`: look first, and change something only when told to."""

import pytest
from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline.maintenance.checks import CHECKS
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import MISSING, WEEKLY, Run

QUIET = {"LOG_LEVEL": "warning"}
NAMES = [check.name for check in CHECKS]


def spoil(db: Database[Document]) -> None:
    """Forget the numbers of the tasks (an error), and have a sub-task repeat (a warning)."""
    db["counters"].delete_many({})
    db["tasks"].insert_one({"repeatType": "daily", "parentTaskId": ObjectId(), "taskId": -1, "originalDueDate": None})


@pytest.fixture
def worked_off(prepared: Run) -> Run:
    """Return `run`, on a database with one weekly series, 3 ahead."""
    assert prepared("process", **QUIET).code == 0
    return prepared


def test_sound_data_exit_with_0_and_every_check_is_shown(worked_off: Run) -> None:
    ran = worked_off("check", **QUIET)
    assert (ran.code, ran.err) == (0, "")
    assert all(name in ran.out for name in NAMES)
    assert ran.out.endswith("Nothing is wrong.\n")


def test_check_for_programs_has_all_of_every_finding(worked_off: Run) -> None:
    found = worked_off("check", "--json", **QUIET).json
    assert [finding["name"] for finding in found] == NAMES
    assert {key for finding in found for key in finding} == {
        "name", "severity", "count", "explanation", "hint", "repairable", "samples",
    }  # fmt: skip


def test_an_error_exits_with_1_and_says_what_it_means_and_what_to_do(worked_off: Run, db: Database[Document]) -> None:
    db["counters"].delete_many({})
    highest = max(task["taskId"] for task in db["tasks"].find())

    ran = worked_off("check", **QUIET)

    assert ran.code == 1
    for words in (
        "counters_behind: 2",
        "what the application inserts next is refused",
        f"counter tasks, highest {highest}",
    ):
        assert words in ran.out
    assert "recurrence check --repair --only counters_behind" in ran.out


def test_a_warning_is_shown_and_exits_with_0(worked_off: Run, db: Database[Document]) -> None:
    spoil(db)

    ran = worked_off("check", "--only", "recurring_subtasks", "--only", "orphans", **QUIET)

    assert ran.code == 0
    assert "recurring_subtasks: 1" in ran.out
    assert "counters_behind" not in ran.out


def test_a_repair_shows_what_it_would_do_until_it_is_told_to(worked_off: Run, db: Database[Document]) -> None:
    spoil(db)
    only = ("--only", "counters_behind")

    shown = worked_off("check", "--repair", *only, **QUIET)
    assert (shown.code, db["counters"].count_documents({})) == (0, 0)
    assert "Nothing was written: this is what would be repaired. Say --yes to do it." in shown.out

    done = worked_off("check", "--repair", "--yes", *only, "--json", **QUIET).json
    assert [(r["name"], r["written"], r["found"], r["repaired"], r["left"]) for r in done] == [
        ("counters_behind", True, 2, 2, 0)
    ]
    assert db["counters"].count_documents({}) == 2
    assert "Nothing is to be repaired." in worked_off("check", "--repair", "--yes", *only, **QUIET).out


def test_a_repair_that_leaves_something_exits_with_1(worked_off: Run, db: Database[Document]) -> None:
    spoil(db)
    ran = worked_off("check", "--repair", "--yes", "--only", "missing_original_due_date", **QUIET)
    assert ran.code == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("check", "--only", "weather"), "recurrence: only: 'weather' is not one of orphans, "),
        (("check", "--repair", "--only", "slot_clashes"), "recurrence: repair: 'slot_clashes' is not one of orphans, "),
        (("check", "--yes"), "recurrence: Invalid value: --yes goes with --repair"),
        (("resume", "12"), "recurrence: taskId: '12' is not an id of 24 hex digits"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(prepared: Run, arguments: tuple[str, ...], complaint: str) -> None:
    ran = prepared(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(complaint)


def test_a_database_that_was_never_prepared_is_not_checked(run: Run) -> None:
    ran = run("check")
    assert ran.code == 1
    assert "run `recurrence init-db` first" in ran.err


# Resume


@pytest.fixture
def stopped(worked_off: Run, db: Database[Document]) -> Run:
    """Return `run`, on a database with a weekly series that stopped."""
    db["tasks"].update_one({"_id": ObjectId(WEEKLY)}, {"$set": {"isCompleted": True}})
    assert worked_off("trigger", "complete", WEEKLY, "--now", **QUIET).code == 0
    db["tasks"].delete_many({"parentRecurringId": ObjectId(WEEKLY)})
    return worked_off


def test_a_stopped_series_is_found_with_the_command_that_resumes_it(stopped: Run) -> None:
    ran = stopped("check", **QUIET)
    assert ran.code == 0, "that is how people end a series"
    assert "series_stopped: 1" in ran.out
    assert "recurrence resume TASK_ID" in ran.out
    assert WEEKLY in ran.out


def test_resume_shows_what_it_would_do_until_it_is_told_to(stopped: Run, db: Database[Document]) -> None:
    shown = stopped("resume", WEEKLY, **QUIET)
    assert shown.code == 0
    assert "would be resumed. Nothing was written: say --yes to do it." in shown.out
    assert db["tasks"].count_documents({}) == 1

    done = stopped("resume", WEEKLY, "--yes", "--json", **QUIET).json
    assert (done["seriesId"], done["written"], done["goesOn"], len(done["created"])) == (WEEKLY, True, False, 3)
    assert db["tasks"].count_documents({"parentRecurringId": ObjectId(WEEKLY)}) == 3
    assert "has not stopped: it has an open task" in stopped("resume", WEEKLY, "--yes", **QUIET).out


def test_resuming_what_is_not_there_fails_in_one_line(prepared: Run) -> None:
    ran = prepared("resume", MISSING)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"recurrence: Task {MISSING}, or the original of its series, is not there\n"
