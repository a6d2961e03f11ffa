"""From cursors on the application's documents to `task_series`, and back, and nothing that was deleted comes again.

left_with_cursors_on_tasks.jsonl is what the last version that kept them there truly left, as commands that bring it
back: a series of which a person deleted a slot, one that took its original's place, one that is empty, one whose rule
was changed, and an event that waits.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bson import ObjectId, json_util
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.series_migration import migrate
from recurrence_pipeline_tests.world import World, utc

LEFT_BEHIND = Path(__file__).parent / "left_with_cursors_on_tasks.jsonl"
UPGRADED = utc(2024, 1, 1, 13)
OURS = {"recurrenceCursor", "originalSlot"}


def put_there(db: Database[Document]) -> None:
    for line in LEFT_BEHIND.read_text(encoding="utf-8").splitlines():
        db.command(json_util.loads(line))


@pytest.fixture
def upgraded(db: Database[Document], mongodb_url: str) -> Iterator[World]:
    put_there(db)
    with closing(World(mongodb_url, now=UPGRADED)) as world:
        yield world


def titled(world: World, title: str) -> Document:
    found = world.worker.mongo.tasks.find_one({"title": title, "parentRecurringId": None})
    assert found is not None, title
    return found


def tasks(db: Database[Document]) -> list[Document]:
    return list(db.tasks.find().sort("_id", 1))


def slots(world: World, title: str) -> list[int]:
    return sorted(world.occurrences_by_slot(titled(world, title)["_id"]))


def cursors(world: World) -> dict[str, tuple[int, int]]:
    """Return, by title, how far each series is known to be, and which slot its original is on."""
    known = {s["_id"]: s for s in world.worker.mongo.series.find({"cursor": {"$exists": True}})}
    originals = world.worker.mongo.tasks.find({"_id": {"$in": list(known)}})
    return {
        t["title"]: (known[t["_id"]]["cursor"]["number"], known[t["_id"]].get("originalSlot", 0)) for t in originals
    }


def test_every_series_is_remembered_and_no_task_changes(db: Database[Document], mongodb_url: str) -> None:
    put_there(db)
    before = tasks(db)
    with closing(World(mongodb_url, now=UPGRADED)) as world:
        assert cursors(world) == {"Running": (4, 0), "Restored": (3, 1), "Emptied": (3, 0)}
        assert tasks(db) == before
        assert world.worker.init_db().added == []


def test_the_series_go_on_and_what_was_deleted_stays_deleted(upgraded: World) -> None:
    for title in ("Running", "Restored", "Emptied", "Rule changed"):
        upgraded.add_event("create", titled(upgraded, title)["_id"])
    upgraded.work()

    assert slots(upgraded, "Running") == [1, 3, 4]
    assert slots(upgraded, "Restored") == [2, 3]
    assert slots(upgraded, "Emptied") == []
    assert slots(upgraded, "Waiting") == [1, 2, 3]
    [refused] = upgraded.worker.mongo.events.find({"status": "rejected"})
    assert refused["errors"][-1]["code"] == "RULE_CHANGED"

    head = titled(upgraded, "Restored")["_id"]
    upgraded.complete(head)
    upgraded.add_event("complete", head)
    upgraded.work()
    assert [due.strftime("%m-%d") for due in upgraded.due_dates(head)] == ["03-31", "04-30", "05-31", "06-30"]


def test_what_an_earlier_version_knew_is_read_even_where_nothing_was_brought_over(upgraded: World) -> None:
    """Whoever restores an old dump, or works before init-db, must not make anything twice."""
    upgraded.worker.mongo.series.drop()
    for title in ("Running", "Restored"):
        upgraded.add_event("create", titled(upgraded, title)["_id"])
    upgraded.work()

    assert slots(upgraded, "Running") == [1, 3, 4]
    assert slots(upgraded, "Restored") == [2, 3]


@pytest.mark.parametrize("there", range(4))
def test_a_migration_that_was_cut_off_anywhere_is_completed(upgraded: World, there: int) -> None:
    mongo: Mongo = upgraded.worker.mongo
    expected, known = cursors(upgraded), list(mongo.series.find().sort("_id", 1))
    mongo.state.delete_one({"_id": "task_series"})
    mongo.series.delete_many({"_id": {"$in": [series["_id"] for series in known[there:]]}})

    assert migrate(mongo, upgraded.settings) == 3

    assert cursors(upgraded) == expected
    assert upgraded.worker.init_db().added == []


def test_a_copy_of_an_original_is_a_series_of_its_own_whatever_came_along(upgraded: World) -> None:
    for title in ("Emptied", "Restored"):
        copy = ObjectId()
        taken = titled(upgraded, title) | {"_id": copy, "taskId": 900 + len(title), "title": "A copy"}
        upgraded.worker.mongo.tasks.insert_one(taken)
        upgraded.add_event("create", copy)
        upgraded.work()
        assert sorted(upgraded.occurrences_by_slot(copy)) == [1, 2, 3], title


# The way back


def test_a_dry_run_of_the_way_back_counts_and_writes_nothing(upgraded: World) -> None:
    before = (tasks(upgraded.worker.mongo.db), list(upgraded.worker.mongo.series.find().sort("_id", 1)))

    assert upgraded.worker.revert(dry_run=True) == len(cursors(upgraded)) == 3

    assert (tasks(upgraded.worker.mongo.db), list(upgraded.worker.mongo.series.find().sort("_id", 1))) == before


def test_on_the_way_back_every_task_is_as_it_was(db: Database[Document], upgraded: World) -> None:
    before = tasks(db)

    upgraded.worker.revert(dry_run=False)

    assert tasks(db) == before
    assert "task_series" not in db.list_collection_names()


def test_what_was_done_since_goes_along_back_and_comes_again(db: Database[Document], upgraded: World) -> None:
    upgraded.work()
    head = titled(upgraded, "Running")["_id"]
    fourth = upgraded.occurrences_by_slot(head)[4]
    upgraded.complete(fourth)
    upgraded.add_event("complete", fourth)
    upgraded.work()
    known = cursors(upgraded)
    assert (known["Running"], known["Waiting"]) == ((8, 0), (3, 0))

    for _ in range(2):  # cut off after the last write, and done again
        upgraded.worker.revert(dry_run=False)
    assert titled(upgraded, "Running")["recurrenceCursor"] == {"number": 8, "repeatType": "daily"}
    assert titled(upgraded, "Waiting")["recurrenceCursor"] == {"number": 3, "repeatType": "daily"}
    assert titled(upgraded, "Restored")["originalSlot"] == 1

    added = upgraded.worker.init_db().added
    assert added == ["task_series: 4 series of an earlier version"]
    assert cursors(upgraded) == known
