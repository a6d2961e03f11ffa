"""What is remembered of series: written once, raised and never lowered, whatever stands in its place."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from recurrence_pipeline.domain.plan import CursorMove, MemoryChange
from recurrence_pipeline.domain.revising import MAX_REVISIONS
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.task_series import TaskSeries
from recurrence_pipeline_tests.storage.samples import a_task
from recurrence_pipeline_tests.storage.values import DUE, NOW

KEEP = timedelta(days=30)
WALL = DUE + timedelta(hours=1)


@pytest.fixture
def series(mongo: Mongo) -> TaskSeries:
    return TaskSeries(mongo, read_chunk=3, write_chunk=4)


def memory(number: int, *, slot: int = 0) -> SeriesMemory:
    return SeriesMemory.begun(number, "daily", WALL, "Europe/Berlin", DUE, slot, WALL + timedelta(days=number))


def move(series_id: str, number: int, *, is_new: bool = False, slot: int = 0) -> CursorMove:
    return CursorMove(series_id, memory(number, slot=slot), is_new=is_new)


def ids(count: int) -> list[str]:
    return [str(ObjectId()) for _ in range(count)]


def stored(mongo: Mongo, series_id: str) -> Document:
    found = mongo.series.find_one({"_id": ObjectId(series_id)})
    assert found is not None
    return found


def test_what_is_remembered_can_be_read_again_over_many_chunks(series: TaskSeries) -> None:
    known = {series_id: memory(number, slot=number % 2) for number, series_id in enumerate(ids(10))}
    series.move([move(i, m.number, is_new=True, slot=m.original_slot) for i, m in known.items()])

    assert series.read([*known, *ids(2)]) == known


def test_a_document_says_the_rule_and_wall_clock_times(mongo: Mongo, series: TaskSeries) -> None:
    (series_id,) = ids(1)
    series.move([move(series_id, 3, is_new=True)])

    document = stored(mongo, series_id)

    at, anchor = ((WALL + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M") for days in (3, 0))
    revision = {"rule": "daily", "anchor": anchor, "timezone": "Europe/Berlin", "anchoredAt": DUE}
    cursor = {"number": 3, "at": at, "revision": 0}
    assert document == {"_id": ObjectId(series_id), "cursor": cursor, "revisions": [revision]}


def test_a_document_says_which_time_zone_data_its_wall_clock_was_read_with(mongo: Mongo) -> None:
    (series_id,) = ids(1)
    known = TaskSeries(mongo, read_chunk=3, write_chunk=4, time_zone_data="2026f")
    known.move([move(series_id, 3, is_new=True)])
    known.move([move(series_id, 4)])

    assert stored(mongo, series_id)["timeZoneData"] == "2026f"
    assert known.read([series_id]) == {series_id: memory(4)}


@pytest.mark.parametrize("numbers", [(3, 7, 5), (7, 3), (3, 3)])
def test_a_cursor_is_raised_and_never_lowered(mongo: Mongo, series: TaskSeries, numbers: tuple[int, ...]) -> None:
    known = ids(5)
    for number in numbers:
        series.move([move(i, number, is_new=number == numbers[0]) for i in known])

    highest = max(numbers)
    at = (WALL + timedelta(days=highest)).strftime("%Y-%m-%dT%H:%M")
    assert [stored(mongo, i)["cursor"] for i in known] == [{"number": highest, "at": at, "revision": 0}] * 5


def test_of_two_edits_at_once_one_is_written_be_as_many_rules_remembered_as_may_be(series: TaskSeries) -> None:
    (series_id,) = ids(1)
    first = memory(3).current
    full = replace(memory(3), revisions=tuple(replace(first, first=n, replaces=n) for n in range(MAX_REVISIONS)))
    series.move([CursorMove(series_id, full, is_new=True)])
    edits = [
        MemoryChange(
            series_id, full, replace(full, revisions=(*full.revisions[1:], replace(first, rule=rule, first=60)))
        )
        for rule in ("weekly", "monthly")
    ]

    assert [series.change([edit]) for edit in edits] == [{series_id}, set()]
    assert series.move([CursorMove(series_id, full)], same_rule=True) == {series_id}
    assert series.read([series_id]) == {series_id: edits[0].new}


def test_of_several_who_remember_a_series_for_the_first_time_the_furthest_stays(series: TaskSeries) -> None:
    known = ids(6)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: series.move([move(i, number, is_new=True) for i in known]), range(1, 9)))

    assert {m.number for m in series.read(known).values()} == {8}


@pytest.mark.parametrize(
    "number", ["3", None, -1, float("nan"), float("inf"), [9], {"n": 9}, Decimal128("9"), Int64(2**62), DUE, True]
)
def test_a_cursor_that_is_no_number_makes_the_series_unknown_and_is_written_anew(
    mongo: Mongo, series: TaskSeries, number: Any
) -> None:
    (series_id,) = ids(1)
    series.move([move(series_id, 3, is_new=True)])
    mongo.series.update_one({"_id": ObjectId(series_id)}, {"$set": {"cursor.number": number}})
    assert series.read([series_id]) == {}

    series.move([move(series_id, 4, is_new=True)])

    assert series.read([series_id]) == {series_id: memory(4)}


@pytest.mark.parametrize("spoiled", [{"revisions": []}, {"revisions": 5}, {"cursor": 5}, {"revisions": [{"rule": 1}]}])
def test_a_document_that_makes_no_sense_is_replaced(mongo: Mongo, series: TaskSeries, spoiled: Document) -> None:
    series_id, other = ids(2)
    series.move([move(series_id, 3, is_new=True), move(other, 5, is_new=True)])
    mongo.series.update_one({"_id": ObjectId(series_id)}, {"$set": spoiled})

    series.move([move(series_id, 4, is_new=True), move(other, 4, is_new=True)])

    assert series.read([series_id, other]) == {series_id: memory(4), other: memory(5)}


def test_of_several_who_take_a_series_over_that_was_there_before_us_the_furthest_stays(
    mongo: Mongo, series: TaskSeries
) -> None:
    known = ids(6)
    mongo.series.insert_many([{"_id": ObjectId(i), "inherited": True} for i in known])
    assert (series.read(known), series.noted(known)) == ({}, set(known))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: series.move([move(i, number, is_new=True) for i in known]), range(1, 9)))

    assert {m.number for m in series.read(known).values()} == {8}


def test_a_wall_clock_time_is_kept_to_the_millisecond(series: TaskSeries) -> None:
    anchor = WALL.replace(second=7, microsecond=123000)
    (series_id,) = ids(1)
    odd = SeriesMemory.begun(1, "daily", anchor, "UTC")
    series.move([CursorMove(series_id, odd, is_new=True)])

    assert series.read([series_id]) == {series_id: odd}


# Series that are gone


def kept(mongo: Mongo, series: TaskSeries, count: int, now: datetime) -> list[str]:
    """Remember series, every other one with an original, and have those without it missed from now on."""
    known = ids(count)
    series.move([move(i, 3, is_new=True) for i in known])
    mongo.tasks.insert_many([a_task(n, _id=ObjectId(i)) for n, i in enumerate(known) if n % 2 == 0])
    assert series.forget_gone(now, KEEP) == 0
    return known


def test_a_series_is_forgotten_when_its_original_has_been_gone_for_long(mongo: Mongo, series: TaskSeries) -> None:
    known = kept(mongo, series, 10, NOW)

    assert series.forget_gone(NOW + KEEP - timedelta(days=1), KEEP) == 0
    assert series.forget_gone(NOW + KEEP, KEEP) == 5
    assert series.forget_gone(NOW + KEEP, KEEP) == 0
    assert set(series.read(known)) == set(known[::2])


def test_an_original_that_comes_back_finds_its_series_remembered(mongo: Mongo, series: TaskSeries) -> None:
    """An export that is brought back must not bring back what a person had deleted of it."""
    known = kept(mongo, series, 2, NOW)
    mongo.tasks.insert_one(a_task(9, _id=ObjectId(known[1])))
    assert series.forget_gone(NOW + KEEP, KEEP) == 0
    mongo.tasks.delete_one({"_id": ObjectId(known[1])})

    assert series.forget_gone(NOW + 2 * KEEP, KEEP) == 0, "it is missed anew"
    assert set(series.read(known)) == set(known)


@pytest.mark.parametrize("since", [NOW + timedelta(days=3650), "2024", 5])
def test_a_series_that_a_clock_ahead_has_missed_is_missed_from_now_on(
    mongo: Mongo, series: TaskSeries, since: object
) -> None:
    known = kept(mongo, series, 2, NOW)
    mongo.series.update_one({"_id": ObjectId(known[1])}, {"$set": {"goneSince": since}})

    assert series.forget_gone(NOW, KEEP) == 0
    assert stored(mongo, known[1])["goneSince"] == NOW
    assert series.forget_gone(NOW + KEEP, KEEP) == 1
