"""The hosts that work leave word of themselves and their time zone data, and are forgotten when they do not."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from recurrence_pipeline.api.presence import present
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.config.time_zone_data import Release, TimeZoneData
from recurrence_pipeline.storage.hosts import Hosts
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.world import utc

NOW = utc(2024, 1, 1, 12)
OLD = TimeZoneData(Release("2020a", "/usr/share/zoneinfo", "/usr/share/zoneinfo"))
NEW = TimeZoneData(Release("2026f", "/venv/tzdata/zoneinfo", "the package tzdata"))


@pytest.fixture
def mongo(mongodb_url: str) -> Iterator[Mongo]:
    opened = Mongo(Settings.from_environment({"MONGODB_URL": mongodb_url}))
    yield opened
    opened.close()


def test_a_host_sees_the_others_and_not_itself_each_once(mongo: Mongo) -> None:
    here, there = Hosts(mongo, "here", NEW), Hosts(mongo, "there", OLD)
    for _ in range(2):
        here.tell(NOW)
        there.tell(NOW)
    (found,) = here.others(NOW)
    assert (found.name, found.version, found.source) == ("there", "2020a", "/usr/share/zoneinfo")
    assert found.seen == NOW
    assert [other.name for other in there.others(NOW)] == ["here"]


def test_a_host_that_was_updated_is_seen_as_it_is_now(mongo: Mongo) -> None:
    Hosts(mongo, "there", OLD).tell(NOW)
    Hosts(mongo, "there", NEW).tell(NOW)
    assert [other.version for other in Hosts(mongo, "here", NEW).others(NOW)] == ["2026f"]


def test_a_host_that_has_not_worked_for_a_day_counts_no_more_and_is_removed_after_a_month(mongo: Mongo) -> None:
    """Containers have a new name at each start: there would be more and more of them."""
    here = Hosts(mongo, "here", NEW)
    Hosts(mongo, "gone", OLD).tell(NOW)
    assert here.others(NOW + timedelta(days=1, seconds=1)) == []
    here.tell(NOW + timedelta(days=31))
    assert [stored["host"] for stored in mongo.state.find()] == ["here"]


def test_several_that_tell_at_once_leave_one_document(mongo: Mongo) -> None:
    threads = [threading.Thread(target=Hosts(mongo, "here", NEW).tell, args=(NOW,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mongo.state.count_documents({}) == 1


def test_a_database_that_is_away_costs_nothing() -> None:
    settings = Settings.from_environment({"MONGODB_URL": "mongodb://127.0.0.1:9/nowhere", "WORKER_TIMEOUT": "100"})
    away = Mongo(settings)
    Hosts(away, "here", NEW).tell(NOW)
    away.close()


def test_a_program_that_waits_for_others_tells_at_once_and_again() -> None:
    told, again = threading.Semaphore(0), timedelta(milliseconds=1)
    with present(told.release, again):
        assert all(told.acquire(timeout=30) for _ in range(3))


def test_whatever_keeps_a_word_from_being_left_the_next_one_is() -> None:
    """Else a process that is alive would be missed, for ever."""
    told = threading.Semaphore(0)

    def tell() -> None:
        told.release()
        raise ZeroDivisionError

    with present(tell, timedelta(milliseconds=1)):
        assert all(told.acquire(timeout=30) for _ in range(3))
