"""The watermark: stored once, by one, and never moved by preparing again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.watermark import Mark, Watermark
from recurrence_pipeline_tests.storage.values import NOW

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def watermark(empty: Mongo) -> Watermark:
    return Watermark(empty)


@pytest.fixture
def inherited(empty: Mongo, watermark: Watermark) -> Watermark:
    """Return the watermark of a database with tasks in it."""
    empty.tasks.insert_one({"taskId": 1})
    return watermark


def test_on_existing_data_it_is_the_time_of_preparing(inherited: Watermark) -> None:
    assert inherited.store(NOW) == NOW
    assert inherited.read() == Mark(NOW)


def test_preparing_again_does_not_move_it(inherited: Watermark) -> None:
    inherited.store(NOW)
    assert inherited.store(LATER) is None
    assert inherited.read() == Mark(NOW)


def test_where_no_task_is_there_it_keeps_nothing_out_also_later(empty: Mongo, watermark: Watermark) -> None:
    """There is nothing that was there before; and what comes is not there before."""
    assert watermark.store(NOW) is None
    empty.tasks.insert_one({"taskId": 1})
    assert watermark.store(LATER) is None
    assert watermark.read() == Mark(None)


def test_of_several_at_once_one_stores_it(inherited: Watermark) -> None:
    times = [NOW + timedelta(seconds=n) for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        stored = [time for time in threads.map(inherited.store, times) if time is not None]
    assert [Mark(time) for time in stored] == [inherited.read()]


def test_an_import_keeps_out_what_it_brings_unless_everything_was_backfilled(watermark: Watermark) -> None:
    watermark.store(NOW)
    watermark.keep_out(LATER)
    assert watermark.read() == Mark(LATER)
    watermark.keep_out(LATER + timedelta(hours=1))
    assert watermark.read() == Mark(LATER), "it is not moved"

    watermark.lift(LATER)
    watermark.keep_out(LATER)
    assert watermark.read() == Mark(None, LATER)


def test_lifted_once_it_stays_lifted(inherited: Watermark) -> None:
    inherited.store(NOW)
    inherited.lift(NOW)
    inherited.lift(LATER)
    inherited.store(LATER)
    assert inherited.read() == Mark(None, NOW)


def test_a_database_without_a_mark_says_what_to_do(watermark: Watermark) -> None:
    with pytest.raises(DatabaseUnavailable, match="run `recurrence init-db` first"):
        watermark.read()
