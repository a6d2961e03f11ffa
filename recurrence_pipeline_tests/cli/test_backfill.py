"""`recurrence backfill`: a dry run unless told --yes."""

import pytest
from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import WEEKLY, Run


def inherited(run: Run, db: Database[Document]) -> None:
    """Have a database prepared after the application has used it."""
    db["tasks"].insert_one(
        {"_id": ObjectId(WEEKLY), "taskId": 1, "title": "[Water] the plants", "repeatType": "hourly"}
    )
    assert "watermark" in run("init-db").out


def test_a_dry_run_shows_what_would_be_asked_for_and_changes_nothing(run: Run, db: Database[Document]) -> None:
    inherited(run, db)
    mark = db["worker_state"].find_one()

    ran = run("backfill")

    assert (ran.code, ran.err) == (0, "")
    assert "1 original never processed, 0 completed tasks" in ran.out
    assert "Invalid repeat type: hourly" in ran.out
    assert "[Water] the plants" in ran.out
    assert "Nothing was written: say --yes" in ran.out
    assert db["worker_state"].find_one() == mark
    assert db["task_events"].count_documents({}) == 0


def test_yes_backfills_and_asked_again_there_is_nothing_left(run: Run, db: Database[Document]) -> None:
    inherited(run, db)

    assert "They are backfilled" in run("backfill", "--yes").out

    assert run("backfill", "--yes").out.startswith("Everything is reconciled already")
    assert run("backfill", "--json").json["backfilled"] is True
    assert "watermark" not in run("init-db").out


def test_a_database_that_was_not_prepared_is_an_error_in_one_line(run: Run) -> None:
    ran = run("backfill")
    assert ran.code == 1
    assert "run `recurrence init-db` first" in ran.err


def test_what_an_import_brings_is_not_reconciled_before_it_is_backfilled(run: Run) -> None:
    run("init-db")
    run("import", "--sample")
    run("process", "--until-empty")

    found = run("backfill", "--json").json

    assert found["backfilled"] is False
    assert found["lookedAt"] > 933
    assert found["series"] > 0


@pytest.mark.parametrize("answer", ["watermark", "lookedAt", "asked", "series", "occurrences", "refused", "samples"])
def test_json_has_a_key_for_each_figure(run: Run, answer: str) -> None:
    run("init-db")
    assert answer in run("backfill", "--json").json
