"""The `recurrence` command: what it does and prints. How it refuses is in test_cli_errors.py."""

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline import __version__
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import MISSING, OWNER, WEEKLY, Run

# Getting started


def test_init_db_may_be_run_again(run: Run) -> None:
    first = run("init-db")
    assert (first.code, first.err) == (0, "")
    assert "index tasks parentRecurringId_1" in first.out
    assert run("init-db").out == "Everything was there already.\n"
    assert run("init-db", "--json").json == {"added": [], "leftOut": {}}


def test_init_db_names_an_index_that_the_data_contradict(run: Run, db: Database[Document]) -> None:
    db["tasks"].insert_many([{"taskId": 7}, {"taskId": 7}])
    ran = run("init-db")
    assert ran.code == 0
    assert "left out: index tasks taskId_1: " in ran.out


def test_import_tells_what_was_read_added_and_there(run: Run, few: Path) -> None:
    run("init-db")
    assert run("import", str(few), "--json").json == {
        "files": [
            {"file": name, "read": 1, "added": 1, "alreadyThere": 0, "refused": 0, "reasons": []}
            for name in ("tasks.jsonl", "trigger_log.jsonl")
        ]
    }
    again = run("import", str(few), "--yes")
    assert again.code == 0
    assert re.search(r"trigger_log.jsonl\W+1\W+0\W+1\W+0\W", again.out)


def test_import_of_the_sample_needs_no_folder(run: Run, db: Database[Document]) -> None:
    run("init-db")
    files = run("import", "--sample", "--json").json["files"]
    assert [file["added"] for file in files] == [933, 12, 2, 808, 20, 1, 23]
    assert db["task_events"].count_documents({"status": "pending"}) == 831


def test_import_of_a_task_whose_number_is_taken_is_a_failure_that_is_named(prepared: Run, few: Path) -> None:
    tasks = few / "tasks.jsonl"
    tasks.write_text(tasks.read_text().replace(WEEKLY, MISSING))
    ran = prepared("import", str(few), "--yes")
    assert ran.code == 1
    assert f"tasks.jsonl line 1: {MISSING}: taskId 1 belongs to another document of 'tasks'" in ran.out


# The work


def test_process_works_off_what_is_due(prepared: Run, db: Database[Document]) -> None:
    result = prepared("process", "--json").json
    assert result == {
        "events": 1,
        "completed": 1,
        "rejected": 0,
        "failed": 0,
        "retried": 0,
        "occurrencesCreated": 3,
        "occurrencesDeleted": 0,
        "activitiesWritten": 3,
        "leasesLost": 0,
        "outcomes": [{"operation": "create", "outcome": "completed", "count": 1}],
        "unfinished": 0,
    }
    assert db["tasks"].count_documents({"parentRecurringId": ObjectId(WEEKLY)}) == 3
    assert db["worker_state"].count_documents({"kind": "host"}) == 1, "it leaves word of its host"
    again = prepared("process")
    assert again.code == 0
    assert re.search(r"events\W+0\W", again.out)


def test_process_stops_at_its_limit(prepared: Run) -> None:
    prepared("trigger", "complete", WEEKLY)
    result = prepared("process", "--limit", "1", "--json").json
    assert (result["events"], result["unfinished"]) == (1, 1)
    result = prepared("process", "--until-empty", "--limit", "5", "--json").json
    assert (result["events"], result["unfinished"]) == (1, 0)


def test_process_until_empty_waits_for_retries(prepared: Run, db: Database[Document]) -> None:
    """An event of this moment whose task is not there yet is tried again, and found missing in the end."""
    db["task_events"].update_one({}, {"$set": {"taskId": ObjectId(MISSING)}, "$currentDate": {"createdAt": True}})

    first = prepared("process", "--json")
    at_once = json.loads(first.out)
    assert (at_once["retried"], at_once["unfinished"]) == (1, 1)
    db["task_events"].update_one({}, [{"$set": {"createdAt": {"$subtract": ["$createdAt", 60_000]}}}])

    second = prepared("process", "--until-empty", "--json")
    result = json.loads(second.out)
    assert (result["rejected"], result["unfinished"]) == (1, 0)
    causes = [json.loads(ran.err)["details"]["originalError"] for ran in (first, second)]
    assert causes == [f"Task {MISSING} is not there yet", "Original task not found"], "the log has each failed try"


def test_trigger_enqueues_what_the_application_would(prepared: Run, db: Database[Document]) -> None:
    event = prepared("trigger", "complete", WEEKLY, "--user-id", OWNER, "--json").json
    assert event.keys() == {"eventId", "operation", "taskId", "status"}
    stored = db["task_events"].find_one({"_id": ObjectId(event["eventId"])}) or {}
    assert (stored["status"], stored["source"], str(stored["taskId"])) == ("pending", "manual", WEEKLY)
    assert f"is pending: create of task {WEEKLY}" in prepared("trigger", "create", WEEKLY).out


def is_due_in_2080(db: Database[Document]) -> None:
    """Move the weekly task to a Thursday that is not past: the calendar comes round every 28 years."""
    due = datetime(2080, 10, 17, 2, tzinfo=timezone.utc)
    db["tasks"].update_one({"_id": ObjectId(WEEKLY)}, {"$set": {"dueDate": due, "originalDueDate": due}})


def test_trigger_now_answers_as_the_http_contract_does(prepared: Run, db: Database[Document]) -> None:
    is_due_in_2080(db)
    created = prepared("trigger", "create", WEEKLY, "--now", "--json").json
    assert {name: created[name] for name in ("success", "operation", "taskId")} == {
        "success": True,
        "operation": "create",
        "taskId": WEEKLY,
    }
    assert [task["dueDate"] for task in created["result"]] == [
        "2080-10-24T02:00:00.000Z",
        "2080-10-31T02:00:00.000Z",
        "2080-11-07T02:00:00.000Z",
    ]
    assert {task["parentRecurringId"] for task in created["result"]} == {WEEKLY}

    completed = prepared("trigger", "complete", WEEKLY, "--now", "--json").json["result"]
    assert completed["updatedTask"]["_id"] == created["result"][0]["_id"]
    assert completed["createdTask"]["dueDate"] == "2080-11-14T02:00:00.000Z"
    assert prepared("trigger", "delete", WEEKLY, "--user-id", OWNER, "--now", "--yes", "--json").json["result"] == 4


def test_trigger_now_tells_people_what_was_made(prepared: Run, db: Database[Document]) -> None:
    is_due_in_2080(db)
    assert "Thu 2080-11-07 02:00:00" in prepared("trigger", "create", WEEKLY, "--now").out
    completed = prepared("trigger", "complete", WEEKLY, "--now").out
    assert "the next occurrence: due Thu 2080-10-24 02:00:00" in completed
    assert "Thu 2080-11-14 02:00:00" in completed
    assert "Nothing new was made." in prepared("trigger", "complete", WEEKLY, "--now").out
    deleted = prepared("trigger", "delete", WEEKLY, "--user-id", OWNER, "--now", "--yes")
    assert deleted.out == f"4 occurrences of task {WEEKLY} deleted.\n"


def test_an_old_task_is_not_made_recurring_by_hand(prepared: Run) -> None:
    """As the application's own check says: of a typo in a date, years of tasks would come."""
    ran = prepared("trigger", "create", WEEKLY, "--now")
    assert ran.code == 1
    assert "Due date for recurring tasks should not be more than 1 day in the past" in ran.err


@pytest.mark.parametrize("how", [("--now",), ()], ids=["at once", "queued"])
def test_a_delete_waits_for_yes_and_says_before_what_it_would_delete(
    prepared: Run, db: Database[Document], how: tuple[str, ...]
) -> None:
    """Else a slip of the pen deletes a living series."""
    prepared("process")
    ids = [str(task["_id"]) for task in db["tasks"].find({"parentRecurringId": ObjectId(WEEKLY)})]
    delete = ("trigger", "delete", WEEKLY, "--user-id", OWNER, *how)

    told = prepared(*delete, "--json").json
    assert (sorted(told["wouldDelete"]), told["written"]) == (sorted(ids), False)
    drawn = prepared(*delete).out
    assert f"3 occurrences of task {WEEKLY} would be deleted, for user {OWNER}." in drawn
    assert drawn.endswith("Nothing was written: say --yes to do it.\n")
    assert db["task_events"].count_documents({"operation": "delete"}) == 0
    assert db["tasks"].count_documents({}) == 4

    assert prepared(*delete, "--yes").code == 0
    prepared("process")
    assert db["tasks"].count_documents({}) == 1


def test_an_import_into_a_database_that_holds_data_waits_for_yes(
    prepared: Run, few: Path, db: Database[Document]
) -> None:
    """Else what was deleted since comes back, and sample data get among the true ones."""
    db["tasks"].delete_many({})
    for source in (str(few), "--sample"):
        ran = prepared("import", source)
        assert (ran.code, ran.out) == (2, "")
        assert "holds data" in ran.err
        assert "say --yes" in ran.err
    assert db["tasks"].count_documents({}) == 0
    assert prepared("import", str(few), "--yes").code == 0
    assert db["tasks"].count_documents({}) == 1


# Questions


def test_preview_shows_slots_and_writes_nothing(prepared: Run, db: Database[Document]) -> None:
    db["tasks"].update_one({}, {"$set": {"timezone": "Europe/Berlin"}})
    rows = prepared("preview", WEEKLY, "-n", "4", "--all", "--json").json
    assert [(row["slot"], row["utc"], row["offset"]) for row in rows][1:] == [
        (1, "2024-10-24T02:00:00.000Z", "+02:00"),
        (2, "2024-10-31T03:00:00.000Z", "+01:00"),
        (3, "2024-11-07T03:00:00.000Z", "+01:00"),
    ]
    assert all(row["local"][11:16] == "04:00" for row in rows)
    drawn = prepared("preview", WEEKLY, "--all")
    assert "Thu 2024-10-31 04:00 +01:00" in drawn.out
    assert drawn.out.count("2024-1") + drawn.out.count("2025-0") >= 10
    assert db["tasks"].count_documents({}) == 1


def test_preview_says_what_is_odd_about_a_slot(prepared: Run, db: Database[Document]) -> None:
    db["tasks"].update_one(
        {}, [{"$set": {"repeatType": "monthly", "originalDueDate": {"$toDate": "2024-01-31T09:00:00Z"}}}]
    )
    assert "31 clamped to 29" in prepared("preview", WEEKLY, "--all").out


@pytest.mark.parametrize("repeat_type", ["daily", "weekly", "monthly"])
def test_preview_begins_with_what_is_ahead(prepared: Run, db: Database[Document], repeat_type: str) -> None:
    """Who asks when a task of two years ago is next does not want to know when it was."""
    db["tasks"].update_one({}, {"$set": {"repeatType": repeat_type, "timezone": "Europe/Berlin"}})
    from_start = prepared("preview", WEEKLY, "-n", "1000", "--all", "--json").json
    before = datetime.now(timezone.utc)
    rows = prepared("preview", WEEKLY, "-n", "3", "--json").json
    expected = [row for row in from_start if datetime.fromisoformat(row["utc"].replace("Z", "+00:00")) > before][:3]
    assert rows == expected, "all that is to come, and nothing else"
    future = db["tasks"].find_one() or {}
    ahead = dict.fromkeys(("dueDate", "originalDueDate"), datetime(2999, 1, 31, 9, tzinfo=timezone.utc))
    db["tasks"].replace_one({"_id": future["_id"]}, future | ahead)
    assert prepared("preview", WEEKLY, "-n", "2", "--json").json[1]["slot"] == 1


def test_series_shows_members_events_and_why_nothing_more_came(prepared: Run) -> None:
    prepared("process")
    view = prepared("series", WEEKLY, "--json").json
    assert [(m["slot"], m["kind"], m["isCompleted"]) for m in view["members"]] == [
        (0, "original", False),
        (1, "occurrence", False),
        (2, "occurrence", False),
        (3, "occurrence", False),
    ]
    assert (view["seriesId"], view["cursor"], view["repeatType"], view["timezone"]) == (WEEKLY, 3, "weekly", "UTC")
    assert view["anchor"] == "2024-10-17T02:00:00.000Z"
    assert [(event["operation"], event["status"]) for event in view["events"]] == [("create", "completed")]

    drawn = prepared("series", view["members"][2]["id"]).out
    assert f"Series {WEEKLY}: Grocery shopping" in drawn
    assert "Slot 3 was the last made, because none is completed" in drawn


def test_series_names_the_reason_of_a_refusal(prepared: Run) -> None:
    assert prepared("trigger", "create", MISSING, "--now").code == 1
    assert "Original task not found" in prepared("series", MISSING).out


def test_stats_count_tasks_and_events_with_reasons(prepared: Run) -> None:
    prepared("process")
    prepared("trigger", "create", MISSING, "--now")
    data = prepared("stats", "--json").json
    assert data["recurringTasks"]["recurringInstances"] == 3
    assert data["events"] == [
        {"operation": "create", "status": "completed", "count": 1},
        {"operation": "create", "status": "rejected", "count": 1},
    ]
    assert data["reasons"] == [
        {"operation": "create", "status": "rejected", "reason": "Original task not found", "count": 1}
    ]
    assert prepared("stats", "--user-id", MISSING, "--json").json["recurringTasks"]["totalTasks"] == 0
    of_a_user = prepared("stats", "--user-id", OWNER, "--json").json
    assert of_a_user["recurringTasks"]["recurringInstances"] == 3
    assert of_a_user.keys() == {"timestamp", "userId", "recurringTasks", "byFrequency", "workerStatus"}
    assert "queue" not in of_a_user["workerStatus"], "the events of others are none of theirs"
    assert "Original task not found" not in prepared("stats", "--user-id", OWNER).out
    drawn = prepared("stats").out
    assert "Original task not found" in drawn
    assert re.search(r"recurring instances\W+3\W", drawn)


def test_titles_are_shown_as_they_are_and_not_read_as_markup(prepared: Run, db: Database[Document]) -> None:
    """Else a task called `[/]` breaks the command, and one called `[link=...]` fools its reader."""
    db["tasks"].update_one({}, {"$set": {"title": "[bold]buy[/bold] [/] milk"}})
    prepared("process")
    for arguments in (("series", WEEKLY), ("trigger", "create", WEEKLY, "--now")):
        assert "[bold]buy[/bold] [/] milk" in prepared(*arguments).out


ODD = (
    7,
    1.5,
    None,
    True,
    ["a"],
    {"b": 1},
    b"\xff",
    ObjectId(WEEKLY),
    datetime(9999, 12, 31, tzinfo=timezone.utc),
    "\n\x1b[31m",
)


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_documents_of_any_kind_are_shown(prepared: Run, db: Database[Document], value: object) -> None:
    """What other programs stored, or a person by hand, must not keep the rest from being seen."""
    db["tasks"].update_one({}, {"$set": {"title": value}})
    odd: list[Document] = [
        {"operation": value, "status": "rejected", "errors": value, "createdAt": value},
        {"operation": "create", "status": "failed", "errors": [value], "attempts": value},
        {"operation": "create", "status": "failed", "errors": [{"message": value, "code": value}]},
        {"operation": "create", "status": value, "taskId": ObjectId(WEEKLY), "createdAt": value},
    ]
    db.command("insert", "task_events", documents=[{"_id": ObjectId()} | e for e in odd], bypassDocumentValidation=True)
    db["deleted_tasks"].insert_many(
        [
            {"deletion": ObjectId(), "deletedAt": value, "deletedBy": value, "reason": value, "task": {"title": value}},
            {"deletion": value, "deletedAt": datetime.now(timezone.utc), "task": value},
            {"task": {"_id": value, "title": value, "dueDate": value}},
        ]
    )
    for command in (["stats"], ["events"], ["restore"], ["series", WEEKLY], ["replay"], ["stats", "--since", "7d"]):
        for form in ([], ["--json"]):
            ran = prepared(*command, *form, LOG_LEVEL="error")
            assert (ran.code, ran.err) == (0, ""), command


@pytest.mark.parametrize("option", ["--version", "version"])
def test_the_version_is_asked_for_as_of_any_program(run: Run, option: str) -> None:
    assert __version__ in run(option).out


def test_version_says_what_is_installed(run: Run) -> None:
    assert run("version", "--json").json["recurrence-pipeline"] == __version__
    assert f"recurrence-pipeline {__version__}" in run("version").out


def test_a_title_moves_no_cursor_and_fills_no_screen(prepared: Run, db: Database[Document]) -> None:
    """Titles are people's: a terminal would obey what it finds in them."""
    title = "\x1b]0;theirs\x07\x1b[2J\u202edrow" + "x" * 100_000
    db["tasks"].update_one({"_id": ObjectId(WEEKLY)}, {"$set": {"title": title}})
    shown = prepared("series", WEEKLY).out
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert "drow" in shown
    assert len(shown) < 10_000
    assert prepared("series", WEEKLY, "--json").json["title"] == title
