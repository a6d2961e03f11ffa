"""Which series there are, page by page: all of them once, and never more tasks on a page than fit in memory."""

from itertools import chain

import pytest
from bson import ObjectId

from recurrence_pipeline.storage import series_pages
from recurrence_pipeline.storage.series_pages import SeriesPages
from recurrence_pipeline_tests.world import World, utc

DUE = utc(2024, 1, 2, 9)


@pytest.fixture
def pages(world: World) -> SeriesPages:
    return SeriesPages(world.worker.mongo, read_chunk=5)


def test_every_original_is_there_once_and_nothing_else(world: World, pages: SeriesPages) -> None:
    originals = {str(world.add_task(DUE, rule)) for rule in ("daily", "weekly", "custom", "hourly") * 4}
    numbered_oddly = {str(world.add_task(DUE, "daily", taskId=number)) for number in ("x", None, -5, 2.5, 10**9)}
    world.add_task(DUE, "none")
    world.add_task(DUE, "daily", parentRecurringId=ObjectId(next(iter(originals))))
    world.add_task(DUE, "daily", parentRecurringId="text", _id=ObjectId())

    found = list(pages.pages())
    assert sorted(chain.from_iterable(found)) == sorted(originals | numbered_oddly)
    assert all(0 < len(page) <= 5 for page in found)


def test_a_user_has_their_own_also_where_an_import_left_the_id_as_text(world: World, pages: SeriesPages) -> None:
    own = {str(world.add_task(DUE, "daily")), str(world.add_task(DUE, "daily", userId=str(world.user)))}
    world.add_task(DUE, "daily", userId=ObjectId())

    assert set(chain.from_iterable(pages.pages(str(world.user)))) == own


def test_a_page_ends_before_it_has_too_many_tasks(world: World, pages: SeriesPages) -> None:
    most = series_pages.TASKS_AT_A_TIME
    small, large, huge = (world.add_task(DUE, "daily") for _ in range(3))
    template = world.task(small)
    for head, many in ((small, 10), (large, most - 5), (huge, 2 * most)):
        first = 10 + int(world.worker.mongo.tasks.count_documents({}))
        world.worker.mongo.tasks.insert_many(
            template | {"_id": ObjectId(), "taskId": first + number, "parentRecurringId": head}
            for number in range(many)
        )

    assert [[str(each)] for each in (small, large, huge)] == sorted(pages.pages(), key=lambda page: page[0])


def test_no_task_is_no_page(pages: SeriesPages) -> None:
    assert list(pages.pages()) == []
