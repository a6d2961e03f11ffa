"""`recurrence timezones`: it shows what would move and why the rest stays, moves when told to, and takes it back."""

from datetime import timedelta

import pytest
from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.storage.documents import Document, digest
from recurrence_pipeline_tests.commands import MISSING, OWNER, Run

QUIET = {"LOG_LEVEL": "warning"}


@pytest.fixture
def outdated(run: Run, db: Database[Document]) -> ObjectId:
    """Return an occurrence that lies an hour off what its clock says, beside one that somebody changed since."""
    assert run("init-db").code == 0
    tomorrow = utc_now().replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=2)
    for number, title in ((1, "Call Ann"), (2, "Call Bob")):
        task: Document = {
            "_id": ObjectId(f"{number:024x}"), "taskId": number, "userId": ObjectId(OWNER), "title": title,
            "repeatType": "daily", "dueDate": tomorrow, "originalDueDate": tomorrow, "isCompleted": False,
            "parentRecurringId": ObjectId(MISSING), "parentTaskId": None, "occurrenceNumber": number,
            "occurrenceAt": f"{tomorrow:%Y-%m-%d}T13:00", "timezone": "Etc/GMT",
        }  # fmt: skip
        db["tasks"].insert_one(task | {"writtenAs": digest(task)})
    db["tasks"].update_one({"taskId": 2}, {"$set": {"title": "Call Bob at home"}})
    return ObjectId(f"{1:024x}")


def test_it_shows_what_would_move_and_why_the_rest_stays(run: Run, db: Database[Document], outdated: ObjectId) -> None:
    before = list(db["tasks"].find())

    shown = run("timezones")

    assert (shown.code, shown.err) == (0, "")
    for words in (
        str(outdated),
        "T13:00",
        "Etc/GMT",
        "12:00:00",
        "13:00:00",
        "1 task stays: somebody changed the task",
    ):
        assert words in shown.out
    assert "1 task would be moved. Nothing was written: say --yes to do it." in shown.out
    assert list(db["tasks"].find()) == before


def test_it_moves_when_told_to_and_says_how_to_take_it_back(
    run: Run, db: Database[Document], outdated: ObjectId
) -> None:
    done = run("timezones", "--yes", "--json", **QUIET).json
    assert (done["written"], done["moved"], [row["stays"] is None for row in done["tasks"]]) == (True, 1, [True, False])
    assert hour_of(db, outdated) == 13

    undo = run("timezones", "--undo", done["run"])
    assert (undo.code, undo.err, hour_of(db, outdated)) == (0, "", 13)
    assert "1 task would be moved. Nothing was written" in undo.out

    undone = run("timezones", "--undo", done["run"], "--yes", **QUIET)
    assert (undone.code, undone.err, hour_of(db, outdated)) == (0, "", 12)
    assert "1 task moved by run " in undone.out


def test_nothing_to_move_is_said(run: Run) -> None:
    run("init-db")
    shown = run("timezones")
    assert shown.code == 0
    assert shown.out.startswith("Nothing is to be moved: by the time zone data 2")


def test_a_run_that_moved_nothing_is_not_found_and_what_is_no_run_is_asked_wrongly(run: Run) -> None:
    run("init-db")
    shown = run("timezones", "--undo", MISSING)
    assert (shown.code, f"No task says that run {MISSING} moved it last" in shown.out) == (1, True)
    ran = run("timezones", "--undo", "12")
    assert (ran.code, ran.err) == (2, "recurrence: run: '12' is not an id of 24 hex digits\n")


def test_rows_are_limited_on_demand(run: Run, outdated: ObjectId) -> None:
    shown = run("timezones", "--limit", "0").out
    assert "Not all are listed: say a higher --limit." in shown
    assert "1 task would be moved." in shown


# A user moves


def test_a_user_is_moved_when_told_to(prepared: Run, db: Database[Document]) -> None:
    """The sample's weekly task has no zone of its own: it is in RECURRENCE_TIMEZONE, which is UTC."""
    prepared("process", **QUIET)
    soon = utc_now().replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=2)
    task = db["tasks"].find_one({"occurrenceNumber": 3})
    assert task is not None
    new = {"dueDate": soon, "originalDueDate": soon, "occurrenceAt": f"{soon:%Y-%m-%d}T12:00"}
    db["tasks"].update_one({"_id": task["_id"]}, {"$set": new | {"writtenAs": digest(task | new)}})

    shown = prepared("move-zone", OWNER, "Etc/GMT-2")
    assert (shown.code, shown.err) == (0, "")
    assert "1 series of user" in shown.out
    assert "would move to Etc/GMT-2, 1 open task along, keeping the wall clock. Nothing was written" in shown.out
    assert hour_of(db, task["_id"]) == 12

    done = prepared("move-zone", OWNER, "Etc/GMT-2", "--yes", **QUIET)
    assert (done.code, done.err, hour_of(db, task["_id"])) == (0, "", 10)
    assert "1 series of user" in done.out
    data = prepared("move-zone", OWNER, "UTC", "--from", "Etc/GMT-2", "--keep", "instants", "--json").json
    assert (data["series"], data["moved"], data["keep"], data["written"]) == (1, 1, "instants", False)
    assert prepared("move-zone", OWNER, "Etc/GMT-2").out == f"Nothing of user {OWNER} is to be moved to Etc/GMT-2.\n"


def test_a_move_to_what_is_no_zone_is_asked_wrongly(prepared: Run) -> None:
    ran = prepared("move-zone", OWNER, "Mars/Base")
    assert (ran.code, ran.err) == (2, "recurrence: zone: 'Mars/Base' is not an IANA time zone\n")
    assert prepared("move-zone", OWNER, "UTC", "--keep", "both").code == 2


def hour_of(db: Database[Document], task_id: ObjectId) -> int:
    found = db["tasks"].find_one({"_id": task_id})
    assert found is not None
    return int(found["dueDate"].hour)
