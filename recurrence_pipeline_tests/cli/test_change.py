"""`recurrence update`, `reopen`, `skip`: look first, and change a series only when told to."""

import re
from datetime import datetime, timezone
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import MISSING, WEEKLY, Run

QUIET = {"LOG_LEVEL": "error"}
HEAD = ObjectId(WEEKLY)
NOTHING = "Nothing was written: say --yes to do it."


@pytest.fixture
def series(prepared: Run, db: Database[Document]) -> Run:
    """Return `run`, on a weekly series in New York from Thursday 2080-10-17 09:00 on, with slots 1 to 3."""
    due = datetime(2080, 10, 17, 13, tzinfo=timezone.utc)
    fields = {"dueDate": due, "originalDueDate": due, "timezone": "America/New_York"}
    db["tasks"].update_one({"_id": HEAD}, {"$set": fields})
    assert prepared("process", **QUIET).code == 0
    return prepared


def occurrences(db: Database[Document]) -> list[Document]:
    return list(db["tasks"].find({"parentRecurringId": HEAD}).sort("dueDate", 1))


def days(db: Database[Document]) -> list[str]:
    return [f"{task['dueDate']:%m-%d}" for task in occurrences(db)]


def edit(db: Database[Document], task_id: ObjectId = HEAD, **fields: Any) -> None:
    db["tasks"].update_one({"_id": task_id}, {"$set": fields})


def stored(db: Database[Document]) -> dict[str, list[Document]]:
    return {name: list(db[name].find().sort("_id", 1)) for name in sorted(db.list_collection_names())}


def words(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


# Update


def test_update_shows_each_slot_on_the_clock_of_the_series_and_writes_nothing_until_it_is_told(
    series: Run, db: Database[Document]
) -> None:
    edit(db, repeatType="custom", recurrence={"rule": "FREQ=WEEKLY;INTERVAL=2"})
    before, ids = stored(db), [str(task["_id"]) for task in occurrences(db)]

    shown = series("update", WEEKLY)

    assert (shown.code, shown.err) == (0, "")
    assert stored(db) == before
    assert shown.out.startswith(f"Series {WEEKLY}, on the clock of America/New_York")
    for text in (*ids, "was Thu 2080-10-24 09:00", "now Thu 2080-11-14 09:00", "    Thu 2080-10-31 09:00", "moves"):
        assert text in shown.out
    assert shown.out.splitlines()[-1] == f"It would be so: 2 move, 1 changes. {NOTHING}"
    done = series("update", WEEKLY, "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "Done: 2 move, 1 changes."
    assert days(db) == ["10-31", "11-14", "11-28"]
    assert series("update", WEEKLY, "--yes").out.splitlines()[-1] == "Done: 3 stay."


def test_update_from_a_slot_leaves_those_before_it_on_the_old_rule(series: Run, db: Database[Document]) -> None:
    edit(db, repeatType="daily")
    assert series("update", WEEKLY, "--from-slot", "2", "--yes").code == 0
    assert days(db) == ["10-24", "10-31", "11-01"]


def test_update_says_of_a_touched_task_that_a_person_changed_it(series: Run, db: Database[Document]) -> None:
    edit(db, occurrences(db)[1]["_id"], title="Mine")
    edit(db, title="Theirs")
    shown = words(series("update", WEEKLY).out)
    assert "a person changed it" in shown
    assert f"It would be so: 2 change, 1 stays. {NOTHING}" in shown


def test_update_for_programs(series: Run, db: Database[Document]) -> None:
    edit(db, occurrences(db)[2]["_id"], title="Mine")
    edit(db, repeatType="custom", recurrence={"rule": "FREQ=WEEKLY;INTERVAL=2"})
    first, second, third = (str(task["_id"]) for task in occurrences(db))

    told = series("update", WEEKLY, "--json").json

    assert told.keys() == {"seriesId", "written", "changes"}
    assert (told["seriesId"], told["written"]) == (WEEKLY, False)
    assert [(each["kind"], each["was"]) for each in told["changes"]] == [
        ("changes", None),
        ("stays", None),
        ("moves", "2080-10-24T13:00:00.000Z"),
        ("appears", None),
    ]
    assert [each["taskId"] for each in told["changes"][:3]] == [second, third, first]
    assert told["changes"][2] == {
        "kind": "moves",
        "taskId": first,
        "slot": 5,
        "due": "2080-11-14T14:00:00.000Z",
        "was": "2080-10-24T13:00:00.000Z",
        "why": "its slot moved",
    }
    assert series("update", WEEKLY, "--yes", "--json").json == {**told, "written": True}


# Reopen


def test_reopen_takes_back_what_the_completion_made(series: Run, db: Database[Document]) -> None:
    edit(db, isCompleted=True)
    assert series("trigger", "complete", WEEKLY, "--now", **QUIET).code == 0
    assert days(db)[-1] == "11-14"
    edit(db, isCompleted=False)

    assert f"It would be so: 1 goes. {NOTHING}" in series("reopen", WEEKLY).out
    assert days(db)[-1] == "11-14"
    assert series("reopen", WEEKLY, "--yes").out.splitlines()[-1] == "Done: 1 goes."
    assert days(db) == ["10-24", "10-31", "11-07"]
    assert series("reopen", WEEKLY).out == f"No task changes. {NOTHING}\n"


def test_reopen_of_what_somebody_touched_is_refused_in_one_line(series: Run, db: Database[Document]) -> None:
    edit(db, isCompleted=True)
    series("trigger", "complete", WEEKLY, "--now", **QUIET)
    edit(db, isCompleted=False)
    edit(db, occurrences(db)[3]["_id"], title="Mine")
    for arguments in ([], ["--yes"]):
        ran = series("reopen", WEEKLY, *arguments, **QUIET)
        assert (ran.code, ran.out) == (1, "")
        assert re.search(r"^recurrence: .* a person changed task .*\n\Z", ran.err, re.MULTILINE)
    assert len(days(db)) == 4


# Skip


def test_skip_takes_the_task_of_a_slot_and_undo_brings_it_back(series: Run, db: Database[Document]) -> None:
    before = occurrences(db)
    assert f"It would be so: 1 appears, 1 goes, 2 stay. {NOTHING}" in series("skip", WEEKLY, "--slot", "2").out
    assert occurrences(db) == before
    assert series("skip", str(before[1]["_id"]), "--yes").out.splitlines()[-1] == "Done: 1 appears, 1 goes, 2 stay."
    assert days(db) == ["10-24", "11-07", "11-14"]
    assert series("skip", WEEKLY, "--slot", "2", "--undo", "--yes").code == 0
    assert days(db) == ["10-24", "10-31", "11-07", "11-14"]


# Wrongly asked, and through the queue


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("update", "17"), 2, "taskId: '17' is not an id of 24 hex digits"),
        (("update", WEEKLY, "--from-slot", "-1"), 2, "--from-slot"),
        (
            ("update", WEEKLY, "--from-slot", "99999999999999999999"),
            2,
            "fromSlot: 99999999999999999999 is not a whole number from 0",
        ),
        (("skip", WEEKLY, "--slot", "0"), 2, "--slot"),
        (("skip", WEEKLY), 1, "Slot 0 is the original itself"),
        (("skip", WEEKLY, "--slot", "999999"), 1, "999999"),
        (("reopen", MISSING), 1, "Original task not found"),
        (("trigger", "create", WEEKLY, "--slot", "3"), 2, "slot: says nothing to create"),
        (("trigger", "create", WEEKLY, "--now", "--slot", "3"), 2, "slot: says nothing to create"),
        (("trigger", "update", WEEKLY, "--undo"), 2, "undo: True says nothing to update"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_changed_is_one_line(series: Run, arguments: tuple[str, ...], code: int, reason: str) -> None:
    ran = series(*arguments, **QUIET)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("recurrence: ")
    assert ran.err.count("\n") == 1
    assert reason in ran.err


def test_trigger_enqueues_a_change_with_its_slot_once_it_is_told_to(series: Run, db: Database[Document]) -> None:
    asked = ("trigger", "skip", WEEKLY, "--slot", "2")
    events = db["task_events"].count_documents({})
    assert NOTHING in series(*asked).out
    assert NOTHING in series(*asked, "--now").out
    assert db["task_events"].count_documents({}) == events

    event = series(*asked, "--undo", "--yes", "--json").json
    document = db["task_events"].find_one({"_id": ObjectId(event["eventId"])}) or {}
    assert {name: document[name] for name in ("operation", "slot", "undo", "status")} == {
        "operation": "skip",
        "slot": 2,
        "undo": True,
        "status": "pending",
    }
    assert "skip undone of slot 2: pending" in words(series("events").out)
    first = series("trigger", "update", WEEKLY, "--slot", "4", "--yes", "--json").json
    assert "update from slot 4: pending" in words(series("events").out)
    assert (db["task_events"].find_one({"_id": ObjectId(first["eventId"])}) or {})["fromSlot"] == 4
    assert series(*asked, "--now", "--yes").out.splitlines()[-1] == "Done: 1 appears, 1 goes, 2 stay."


def test_events_and_replays_know_the_new_operations(series: Run) -> None:
    assert series("reopen", MISSING, "--yes", **QUIET).code == 1
    assert "reopen: rejected" in series("events", "--task", MISSING).out
    assert series("replay", "--operation", "reopen", "--json").json["selected"] == 1
    assert series("replay", "--operation", "update", "--json").json["selected"] == 0
