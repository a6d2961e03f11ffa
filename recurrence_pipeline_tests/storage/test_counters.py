"""Numbers for people: never given twice, consecutive within a batch, whatever happens to the counter."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from bson import Decimal128, Int64, ObjectId
from pymongo.errors import AutoReconnect

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import Transient
from recurrence_pipeline.storage.counters import HIGHEST, Counters, Maker
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.indexes import drop_index_on
from recurrence_pipeline_tests.storage.conftest import FailPoint
from recurrence_pipeline_tests.storage.samples import a_task
from recurrence_pipeline_tests.storage.values import NOW

THREADS = 4


@pytest.fixture
def numbering(mongo: Mongo) -> Counters:
    return Counters(mongo, "tasks", "taskId", write_chunk=3)


@pytest.fixture
def several(mongo: Mongo, settings: Settings) -> Iterator[list[Counters]]:
    """Return the numbering of several workers, each with a client of its own."""
    clients = [Mongo(settings) for _ in range(THREADS)]
    yield [Counters(client, "tasks", "taskId", write_chunk=3) for client in clients]
    for client in clients:
        client.close()


def makers(count: int, *, title: str | None = "Daily standup") -> dict[str, Maker]:
    """Return what makes so many tasks once their numbers are known."""

    def maker(key: str) -> Maker:
        return lambda number: a_task(number, _id=ObjectId(key), title=title)

    return {key: maker(key) for key in (str(ObjectId()) for _ in range(count))}


def numbers(mongo: Mongo) -> list[int]:
    return sorted(task["taskId"] for task in mongo.tasks.find())


def counter(mongo: Mongo) -> int:
    found = mongo.counters.find_one({"_id": "tasks"})
    assert found is not None
    return int(found["sequence_value"])


def set_counter(mongo: Mongo, value: object) -> None:
    mongo.counters.delete_many({"_id": "tasks"})
    if value == "without a value":
        mongo.counters.insert_one({"_id": "tasks"})
    elif value != "missing":
        mongo.counters.insert_one({"_id": "tasks", "sequence_value": value})


def test_the_numbers_of_a_batch_follow_each_other_and_the_last_one_given(mongo: Mongo, numbering: Counters) -> None:
    first, second = makers(5), makers(2)
    assert numbering.insert(first).written == set(first)
    assert numbering.insert(second).written == set(second)
    assert numbers(mongo) == [1, 2, 3, 4, 5, 6, 7]
    assert counter(mongo) == 7


def test_inserting_twice_is_inserting_once(mongo: Mongo, numbering: Counters) -> None:
    batch = makers(5)
    numbering.insert(batch)
    before = list(mongo.tasks.find())
    again = numbering.insert(batch)
    assert (again.written, again.refused) == (set(), {})
    assert list(mongo.tasks.find()) == before


def test_an_interrupted_batch_is_completed(mongo: Mongo, numbering: Counters, fail_point: FailPoint) -> None:
    batch = makers(7)
    numbering.insert(dict(list(batch.items())[:4]))
    fail_point("insert", closeConnection=True)
    with pytest.raises(AutoReconnect):
        numbering.insert(batch)
    assert numbering.insert(batch).written == set(list(batch)[4:])
    assert len(set(numbers(mongo))) == 7


def test_nothing_to_insert_takes_no_number(mongo: Mongo, numbering: Counters) -> None:
    assert numbering.insert({}).written == set()
    assert counter(mongo) == 0


SPOILED: list[object] = [
    "many", "", float("nan"), float("inf"), float("-inf"), None, Decimal128("NaN"), Decimal128("1E+40"), -5, True,
    False, NOW, [7], [], {"low": 7}, 2**63 - 1, 2**53, 2**53 - 1, 2.0**60,
]  # fmt: skip
"""What no number can follow, or only one in use; set by migrations, by scripts, and by `undefined + 1`."""


@pytest.mark.parametrize("value", ["missing", "without a value", *SPOILED], ids=repr)
def test_a_counter_starts_after_the_highest_number_in_use_whatever_it_holds(
    mongo: Mongo, numbering: Counters, value: object
) -> None:
    """Else every create fails for ever, and a spoiled counter of activities stops all work."""
    poison = (float("nan"), float("inf"), "A-17", 2**60, 2**53, [50], True, NOW)
    mongo.tasks.insert_many([a_task(number) for number in (4, 5, 6, 40)])
    mongo.tasks.insert_many([a_task(0, taskId=number) for number in poison])
    set_counter(mongo, value)
    batch = makers(4)

    assert numbering.insert(batch).written == set(batch)

    new = [task["taskId"] for task in mongo.tasks.find({"_id": {"$in": [ObjectId(key) for key in batch]}})]
    assert sorted(new) == [41, 42, 43, 44]
    assert all(type(number) in (int, Int64) for number in new)
    assert counter(mongo) >= 44
    assert numbering.lag() is None


def test_a_counter_that_is_behind_is_moved_past_the_highest_number_in_use(mongo: Mongo, numbering: Counters) -> None:
    mongo.tasks.insert_many([a_task(number) for number in (4, 5, 6, 40)])
    set_counter(mongo, 3)
    batch = makers(4)
    assert numbering.insert(batch).written == set(batch)
    assert len(set(numbers(mongo))) == 8
    assert counter(mongo) >= max(numbers(mongo))


@pytest.mark.parametrize("value", ["105", Decimal128("105"), 105.0, 105.5, Int64(105)], ids=repr)
def test_a_number_of_another_type_is_gone_on_from(mongo: Mongo, numbering: Counters, value: object) -> None:
    """Numbers up to it were given, and their tasks may have been deleted since."""
    mongo.tasks.insert_one(a_task(8))
    set_counter(mongo, value)
    assert list(numbering.take(2)) == [106, 107]
    assert list(numbering.take(1)) == [108]


def test_no_number_is_given_that_a_double_cannot_tell_from_the_next(mongo: Mongo, numbering: Counters) -> None:
    for value in (HIGHEST - 1, HIGHEST, HIGHEST + 1, 2**53 - 2):
        set_counter(mongo, value)
        assert max(numbering.take(1000)) <= 2**53 - 1


def test_workers_that_meet_a_spoiled_counter_at_once_get_different_numbers(
    mongo: Mongo, several: list[Counters]
) -> None:
    mongo.tasks.insert_one(a_task(40))
    barrier = Barrier(THREADS)
    for value in ("many", float("nan"), None, 2**63 - 1, Decimal128("3")):
        set_counter(mongo, value)
        highest = max(numbers(mongo))
        batches = [makers(5) for _ in range(THREADS)]

        def insert(worker: int, batches: list[dict[str, Maker]] = batches) -> set[str]:
            barrier.wait()
            return several[worker].insert(batches[worker]).written

        with ThreadPoolExecutor(THREADS) as threads:
            assert list(threads.map(insert, range(THREADS))) == [set(batch) for batch in batches]
        assert numbers(mongo)[-20:] == list(range(highest + 1, highest + 21))


def test_a_counter_that_cannot_be_mended_is_named(
    mongo: Mongo, numbering: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here somebody spoils it again and again."""
    repair = numbering.catch_up

    def mended_in_vain() -> None:
        repair()
        set_counter(mongo, "many")

    set_counter(mongo, "many")
    monkeypatch.setattr(numbering, "catch_up", mended_in_vain)
    with pytest.raises(Transient, match="counter 'tasks': no number follows sequence_value 'many'"):
        numbering.take(1)


def test_the_counters_may_be_emptied_between_batches(mongo: Mongo, numbering: Counters) -> None:
    for _ in range(3):
        batch = makers(3)
        assert numbering.insert(batch).written == set(batch)
        mongo.counters.delete_many({})
    assert numbers(mongo) == list(range(1, 10))


def test_a_text_among_the_numbers_does_not_reset_the_counter(mongo: Mongo, numbering: Counters) -> None:
    """A text sorts above every number: taken for the highest, it would start the counter at 1 again and again."""
    mongo.tasks.insert_many([a_task(99), a_task(0, taskId="A-17"), a_task(0, taskId=float("inf"))])
    mongo.counters.delete_many({})
    batch = makers(2)
    assert numbering.insert(batch).written == set(batch)
    assert mongo.tasks.count_documents({"taskId": {"$in": [100, 101]}}) == 2


def test_workers_that_race_to_create_the_counter_get_different_numbers(mongo: Mongo, several: list[Counters]) -> None:
    mongo.tasks.insert_one(a_task(1000))
    barrier = Barrier(THREADS)
    for _ in range(5):
        mongo.counters.delete_many({})
        highest = max(numbers(mongo))
        batches = [makers(5) for _ in range(THREADS)]

        def insert(worker: int, batches: list[dict[str, Maker]] = batches) -> set[str]:
            barrier.wait()
            return several[worker].insert(batches[worker]).written

        with ThreadPoolExecutor(THREADS) as threads:
            written = list(threads.map(insert, range(THREADS)))

        assert written == [set(batch) for batch in batches]
        assert numbers(mongo)[-20:] == list(range(highest + 1, highest + 21))


def test_two_that_insert_the_same_at_once_insert_it_once(mongo: Mongo, several: list[Counters]) -> None:
    batch = makers(20)
    with ThreadPoolExecutor(THREADS) as threads:
        results = list(threads.map(lambda worker: worker.insert(batch), several))
    assert sorted(key for result in results for key in result.written) == sorted(batch), "each by exactly one"
    assert [result.refused for result in results] == [{}] * THREADS
    assert mongo.tasks.count_documents({}) == 20


def test_a_refused_document_costs_itself_only(mongo: Mongo, numbering: Counters) -> None:
    mongo.db.command("collMod", "tasks", validator={"$jsonSchema": {"properties": {"title": {"bsonType": "string"}}}})
    good, bad = makers(5), makers(2, title=None)
    keys = sorted([*good, *bad])
    result = numbering.insert({key: (good | bad)[key] for key in keys})
    assert result.written == set(good)
    assert set(result.refused) == set(bad)
    assert all("validation" in reason for reason in result.refused.values())


def test_a_number_that_can_never_be_had_is_given_up(mongo: Mongo, numbering: Counters) -> None:
    """Here a foreign unique index stands in the way; a loop without an end would stop the worker."""
    mongo.tasks.create_index([("taskId", 1), ("userId", 1)], unique=True)
    drop_index_on(mongo.tasks, "taskId")
    [(key, make)] = makers(1).items()
    mongo.tasks.insert_one(a_task(50))
    result = numbering.insert({key: lambda _number: make(50)})
    assert list(result.refused) == [key]
    assert "no free taskId" in result.refused[key]


def test_numbers_are_taken_in_one_block(mongo: Mongo, numbering: Counters) -> None:
    assert numbering.take(1000) == range(1, 1001)
    assert counter(mongo) == 1000


def test_documents_keep_the_numbers_they_have_and_get_new_ones_where_those_are_taken(
    mongo: Mongo, numbering: Counters
) -> None:
    mongo.tasks.insert_one(a_task(11))
    mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": 20}})
    documents = {str(d["_id"]): d for d in (a_task(n) for n in (10, 11, 12, 13, 14))}
    [_, taken, *_] = documents

    inserted, renumbered = numbering.insert_with_their_numbers(documents)

    assert (inserted.written, inserted.refused) == (set(documents), {})
    assert renumbered == {taken: 21}
    assert numbers(mongo) == [10, 11, 12, 13, 14, 21]
    assert {d["taskId"] for d in mongo.tasks.find({"_id": ObjectId(taken)})} == {21}


def test_documents_that_are_there_already_keep_what_they_have(mongo: Mongo, numbering: Counters) -> None:
    documents = {str(d["_id"]): d for d in (a_task(n) for n in (10, 11))}
    numbering.insert_with_their_numbers(documents)
    before = list(mongo.tasks.find())

    inserted, renumbered = numbering.insert_with_their_numbers(
        {key: document | {"title": "changed"} for key, document in documents.items()}
    )

    assert (inserted.written, inserted.refused, renumbered) == (set(), {}, {})
    assert list(mongo.tasks.find()) == before
