"""docs/reference is what the code says; and its fields are those that real documents have."""

from datetime import datetime
from typing import Any

import pytest
from bson import Int64, ObjectId

from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.docs.pages import DOCS
from recurrence_pipeline_tests.world import World, utc
from scripts.reference import FOLDER, pages
from scripts.stored import FIELDS

TYPES: dict[type, str] = {
    ObjectId: "ObjectId", str: "string", bool: "bool", int: "number", Int64: "number", float: "number",
    datetime: "date", list: "array", dict: "object", type(None): "null",
}  # fmt: skip


@pytest.fixture(scope="module")
def written(mongodb_server: str) -> dict[str, str]:
    world = World(mongodb_server.replace("/?", "/test_reference?"))
    texts = pages(world.worker)
    world.worker.mongo.drop()
    world.close()
    return texts


@pytest.mark.parametrize(
    "page", ["settings.md", "cli.md", "http.md", "events.md", "documents.md", "metrics.md", "checks.md"]
)
def test_a_page_of_the_reference_is_what_the_code_says(written: dict[str, str], page: str) -> None:
    """Else `make reference` was forgotten."""
    assert (FOLDER / page).read_text(encoding="utf-8") == written[page]


def test_there_is_no_page_of_the_reference_that_nobody_writes(written: dict[str, str]) -> None:
    assert {path.name for path in (DOCS / "reference").iterdir()} == set(written)


def worked(world: World, run: Run) -> None:
    """Have the worker write every kind of document that it writes."""
    world.create(utc(2024, 1, 1, 9), "daily", timezone="Europe/Berlin")
    original = world.create(utc(2024, 1, 2, 9), "daily")
    world.complete(original)
    world.add_event("complete", original)
    world.add_event("create", ObjectId(), createdAt=utc(2023, 1, 1))  # rejected
    world.work()
    changed(world)
    world.add_event("delete", original)
    world.work()
    deletion = world.worker.mongo.db["deleted_tasks"].find_one()
    assert deletion is not None
    assert run("restore", str(deletion["deletion"]), "--yes").code == 0
    world.worker.load_sample(asked=True)
    assert run("process", "--limit", "1").code == 0


def changed(world: World) -> None:
    """Have a series skip, be edited, stop and begin again, and a slot moved from a day off."""
    options: dict[str, Any] = {"shift": {"to": "next"}, "paused": [{"from": "2024-01-10", "until": "2024-01-11"}]}
    head = world.create(utc(2024, 1, 5, 9), "daily", recurrence=options)
    world.add_event("skip", head, slot=2)
    world.add_event("skip", head, slot=3)
    world.add_event("skip", head, slot=3, undo=True)
    world.work()
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"repeatType": "weekly", "isCompleted": True}})
    world.add_event("update", head, fromSlot=2)
    world.add_event("complete", head)
    world.work()
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"isCompleted": False}})
    world.add_event("reopen", head)
    world.work()


def test_the_page_of_documents_has_every_field_that_is_stored_with_its_type(world: World, run: Run) -> None:
    worked(world, run)
    database = world.worker.mongo.db
    strange = [
        (collection, field, TYPES[type(value)])
        for collection in FIELDS
        for document in database[collection].find()
        for field, value in document.items()
        if field not in NAMED_TO_COPY and not fits(collection, field, value)
    ]
    assert strange == []
    assert {c for c in database.list_collection_names() if database[c].find_one()} - {"users"} <= set(FIELDS)


NAMED_TO_COPY = {"tags"}
"""A field of the application that an original of the sample names in `recurrence.copy`."""


def fits(collection: str, field: str, value: Any) -> bool:
    told = {known.name: known.type for known in FIELDS[collection]}
    return field in told and TYPES[type(value)] in told[field].split(" or ")
