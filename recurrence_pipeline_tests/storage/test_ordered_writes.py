"""Writes to several collections as one command: in their order, or not at all from the first that does not do its part.

What a worker does where they were not all made is in worker/test_last_writes.py.
"""

from collections.abc import Callable

import pytest
from pymongo import DeleteMany, InsertOne, UpdateMany

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.ordered_writes import Write, takes_ordered_writes, write_in_order


def writes(mongo: Mongo) -> list[Write]:
    """Return one write of each kind, in three collections; the update finds one document."""
    mongo.db["b"].insert_one({"_id": 1})
    mongo.db["c"].insert_many([{"_id": 1}, {"_id": 2}])
    name = mongo.db.name
    return [
        InsertOne({"_id": 1}, namespace=f"{name}.a"),
        InsertOne({"_id": 2}, namespace=f"{name}.a"),
        DeleteMany({}, namespace=f"{name}.c"),
        UpdateMany({}, [{"$set": {"done": True}}], namespace=f"{name}.b"),
    ]


def test_all_are_made_and_what_was_deleted_is_counted(mongo: Mongo) -> None:
    asked = writes(mongo)
    assert takes_ordered_writes(mongo)

    done = write_in_order(mongo, asked, matched=1)

    assert done is not None
    assert done.deleted_count == 2
    assert mongo.db["a"].count_documents({}) == 2
    assert mongo.db["b"].count_documents({"done": True}) == 1


def test_from_the_first_that_is_refused_none_is_made(mongo: Mongo) -> None:
    asked = writes(mongo)
    mongo.db["a"].insert_one({"_id": 2})

    assert write_in_order(mongo, asked, matched=1) is None
    assert mongo.db["a"].count_documents({}) == 2
    assert mongo.db["c"].count_documents({}) == 2
    assert mongo.db["b"].count_documents({"done": True}) == 0


def test_an_update_that_does_not_find_all_of_its_documents_is_told(mongo: Mongo) -> None:
    assert write_in_order(mongo, writes(mongo), matched=2) is None


@pytest.mark.parametrize("failure", [{"closeConnection": True}, {"errorCode": 91}])
def test_an_outage_is_one(mongo: Mongo, fail_point: Callable[..., None], failure: dict[str, object]) -> None:
    asked = writes(mongo)
    fail_point("bulkWrite", **failure)

    with pytest.raises(DatabaseUnavailable):
        write_in_order(mongo, asked, matched=1)
