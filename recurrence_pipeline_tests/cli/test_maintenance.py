"""`recurrence maintenance`: what the schedules do, by hand."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import Run

QUIET = {"LOG_LEVEL": "warning"}


@pytest.fixture
def database(prepared: Run, db: Database[Document]) -> Database[Document]:
    """Return a database with one healthy series, 3 orphans, and one old activity."""
    assert prepared("process", **QUIET).code == 0
    gone = ObjectId()
    orphans = [
        {"_id": ObjectId(), "taskId": 9000 + n, "repeatType": "daily", "parentRecurringId": gone} for n in range(3)
    ]
    db["tasks"].insert_many(orphans)
    old = datetime.now(timezone.utc) - timedelta(days=100)
    db["useractivities"].insert_one({"activityId": 9000, "timestamp": old})
    return db


def test_daily_cleans_up_archives_and_takes_the_health(prepared: Run, database: Database[Document]) -> None:
    done = prepared("maintenance", "daily", "--yes", "--json", **QUIET).json
    assert (done["orphansDeleted"], done["activitiesArchived"], done["health"]) == (3, 1, "healthy")
    assert database["useractivities_archive"].count_documents({}) == 1
    again = prepared("maintenance", "daily", "--yes", "--json", **QUIET).json
    assert (again["orphansDeleted"], again["activitiesArchived"]) == (0, 0)


def test_without_yes_daily_says_what_it_would_do_and_changes_nothing(
    prepared: Run, database: Database[Document]
) -> None:
    before = database["tasks"].count_documents({})
    told = prepared("maintenance", "daily", "--json", **QUIET).json
    assert told == {"orphansToDelete": 3, "seriesToForget": 0, "activitiesToArchive": 1, "written": False}
    drawn = prepared("maintenance", "daily", "--confirm", **QUIET)
    assert (drawn.code, drawn.err) == (0, "")
    assert "Nothing was written: say --yes to do it." in drawn.out
    assert database["tasks"].count_documents({}) == before
    assert database["useractivities_archive"].count_documents({}) == 0


def test_a_cleanup_that_wants_a_confirmation_does_the_rest_and_says_so(
    prepared: Run, database: Database[Document]
) -> None:
    ran = prepared("maintenance", "daily", "--yes", ORPHAN_CLEANUP_LIMIT="2", **QUIET)
    assert ran.code == 1
    assert "3 of 6 occurrences have no original" in ran.err
    assert database["useractivities_archive"].count_documents({}) == 1

    done = prepared("maintenance", "daily", "--yes", "--confirm", "--json", ORPHAN_CLEANUP_LIMIT="2", **QUIET).json
    assert done["orphansDeleted"] == 3


def test_weekly_checks_all_data_and_exits_with_1_where_something_is_wrong(
    prepared: Run, database: Database[Document]
) -> None:
    ran = prepared("maintenance", "weekly", **QUIET)
    assert ran.code == 1
    assert "orphans: 3" in ran.out
    prepared("maintenance", "daily", "--yes", **QUIET)
    assert prepared("maintenance", "weekly", **QUIET).code == 0


def test_weekly_exits_with_1_where_the_work_got_much_slower(prepared: Run, db: Database[Document]) -> None:
    for days, duration in ((10, 100), (1, 900)):
        at = datetime.now(timezone.utc) - timedelta(days=days)
        ended = {"status": "completed", "createdAt": at, "availableAt": at, "startedAt": at, "finishedAt": at}
        db["task_events"].insert_many(
            {"operation": "create", "taskId": ObjectId(), "durationMs": duration, **ended} for _ in range(30)
        )
    ran = prepared("maintenance", "weekly", "--json", **QUIET)
    assert ran.code == 1
    assert {row["figure"] for row in json.loads(ran.out)["worse"]} == {"avgProcessingTime", "p95"}
