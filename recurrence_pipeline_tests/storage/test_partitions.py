"""Pieces: together they are all tasks, each once, and none of them is large."""

from collections import Counter

import pytest
from bson import ObjectId

from benchmarks.stage import Commands
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.partitions import MAX_EMPTY, UNCOUNTED, partitions
from recurrence_pipeline_tests.storage.values import NOW


def fill(mongo: Mongo, *numbers: object, counter: object) -> list[ObjectId]:
    """Store tasks with these numbers, and the counter."""
    ids = [ObjectId() for _ in numbers]
    mongo.tasks.insert_many({"_id": i, "taskId": number} for i, number in zip(ids, numbers, strict=True))
    mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": counter}})
    return ids


def found(mongo: Mongo, size: int) -> list[list[ObjectId]]:
    return [[task["_id"] for task in mongo.tasks.find(piece, {"_id": 1})] for piece in partitions(mongo, size)]


@pytest.mark.parametrize("counter", [40, 15, 1000, 0, None, "many", float("nan"), float("inf"), -3, True])
def test_every_task_is_in_one_piece_whatever_its_number_and_whatever_the_counter_says(
    mongo: Mongo, counter: object
) -> None:
    odd = (
        0,
        -7,
        2.5,
        float("-inf"),
        float("inf"),
        2**60,
        "12",
        "",
        {"a": 1},
        ObjectId(),
        None,
        float("nan"),
        True,
        False,
        NOW,
    )
    ids = fill(mongo, *range(1, 41), *odd, counter=counter)

    seen = Counter(task_id for piece in found(mongo, 10) for task_id in piece)

    assert seen == Counter(ids)


def test_a_task_without_a_number_is_in_a_piece(mongo: Mongo) -> None:
    mongo.tasks.insert_one({"_id": (task_id := ObjectId())})
    assert [piece for piece in found(mongo, 10) if piece] == [[task_id]]


def test_no_piece_of_numbers_without_gaps_is_larger_than_it_should_be(mongo: Mongo) -> None:
    fill(mongo, *range(1, 96), counter=95)
    assert [len(piece) for piece in found(mongo, 10) if piece] == [10] * 9 + [5]


def test_pieces_stay_small_where_all_the_old_tasks_have_gone(mongo: Mongo) -> None:
    fill(mongo, *range(401, 451), counter=450)
    assert max(len(piece) for piece in found(mongo, 10)) == 10


def test_numbers_with_wide_gaps_make_no_more_pieces_than_a_few_for_each_full_one(mongo: Mongo) -> None:
    """Else a counter that somebody set to a billion would make a pass of ever so many commands."""
    fill(mongo, *range(1_000_000, 100_000_000, 1_000_000), counter=10**9)
    assert len(found(mongo, 10)) <= (MAX_EMPTY + 1) * 99 // 10 + 5


def test_documents_are_only_counted_where_the_counter_tells_next_to_nothing(mongo: Mongo, settings: Settings) -> None:
    """The embedded server reads them all to say how many there are, and nobody else is answered meanwhile."""
    fill(mongo, *range(1, 96), counter=95)
    commands = Commands()
    listening = Mongo(settings, listeners=[commands])
    assert len(partitions(listening, 10)) > 10
    assert (commands.sent["count tasks"], commands.sent.total()) == (0, 1)
    for counter in (0, 10 * UNCOUNTED + 1):
        mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": counter}})
        commands.sent.clear()
        assert partitions(listening, 10)
        assert commands.sent["count tasks"] == 1
    listening.close()


def test_an_empty_collection_has_no_pieces(mongo: Mongo) -> None:
    assert [piece for piece in found(mongo, 10) if piece] == []
    assert partitions(mongo, 10) == []
