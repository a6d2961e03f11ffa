"""The list of series: what is in it, how it is searched and ordered, and that pages miss nothing and repeat nothing."""

import re
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline_tests.api.serving import Api
from recurrence_pipeline_tests.api.ui.visitor import UI, Visitor, text
from recurrence_pipeline_tests.world import utc

DUE = utc(2024, 1, 2, 9)


def titles(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', page)


def every_page(visitor: Visitor, **asked: str) -> list[str]:
    """Go from page to page, and return the titles."""
    answer, found = visitor.get(**asked), []
    for _ in range(50):
        found += titles(answer.text)
        onward = re.search(r'<a href="([^"]+)" rel="next">', answer.text)
        if onward is None:
            return found
        answer = visitor.client.get(onward[1].replace("&amp;", "&"))
    raise AssertionError("there is no end")


@pytest.fixture
def visitor(api: Api) -> Visitor:
    return Visitor(api)


def many(api: Api, count: int, **fields: Any) -> list[str]:
    return [str(api.world.add_task(DUE, "weekly", title=f"Task {each}", **fields)) for each in range(count)]


def test_pages_of_fifty_have_each_series_once_in_order(api: Api, visitor: Visitor) -> None:
    many(api, 120)
    for each in range(3000):
        api.world.worker.mongo.tasks.insert_one({"taskId": 5000 + each, "title": "No series", "repeatType": "none"})
    api.world.worker.mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": 8000}})
    assert len(titles(visitor.get(order="oldest").text)) == 50
    assert every_page(visitor, order="oldest") == [f"Task {each}" for each in range(120)]
    assert every_page(visitor) == [f"Task {each}" for each in reversed(range(120))]


def test_a_user_is_listed_alone_and_in_the_order_in_which_theirs_are_due(api: Api, visitor: Visitor) -> None:
    user = ObjectId()
    many(api, 2)
    for day in (5, 3, 4):
        api.world.create(utc(2024, 1, day), "monthly", userId=user, title=f"Day {day}")
    assert every_page(visitor, user=str(user), order="due") == ["Day 3", "Day 4", "Day 5"]
    assert every_page(visitor, user=str(user).upper()) == ["Day 4", "Day 3", "Day 5"]
    api.world.now = utc(2024, 1, 4, 12)
    late = visitor.get(user=str(user), order="due")
    assert titles(late.text) == ["Day 3", "Day 4", "Day 5"]
    assert "1 , since Wed 2024-01-03 00:00" in text(late).replace("1,", "1 ,")
    for _ in range(60):
        api.world.add_task(DUE, "weekly", userId=user, title="More")
    assert sorted(every_page(visitor, user=str(user), order="due")) == sorted(every_page(visitor, user=str(user)))
    assert len(every_page(visitor, user=str(user), order="due")) == 63


def test_a_search_is_for_what_stands_in_the_title_and_for_an_id(api: Api, visitor: Visitor) -> None:
    for title in ("Pay the rent", "RENTAL car", "a+b (c)", "Other"):
        series = api.world.create(DUE, "weekly", title=title)
    assert sorted(every_page(visitor, search="rent")) == ["Pay the rent", "RENTAL car"]
    assert every_page(visitor, search="a+b (c") == ["a+b (c)"]
    assert every_page(visitor, search=".*") == []
    assert visitor.get(search=str(series).upper()).headers["location"] == f"{UI}/series/{series}"


def test_each_state_is_told_and_can_be_asked_for(api: Api, visitor: Visitor) -> None:
    world = api.world
    world.create(utc(2024, 1, 1, 9), "weekly", title="is behind time")
    world.create(DUE, "weekly", title="runs")
    world.add_task(DUE, "weekly", title="is new")
    paused = {"recurrence": {"paused": [{"from": "2024-01-01", "until": "2024-02-01"}]}}
    world.create(utc(2024, 2, 5), "weekly", title="rests", **paused)
    over = world.create(DUE, "custom", title="is over", recurrence={"rule": "FREQ=DAILY;COUNT=1"})
    world.complete(over)
    stopped = world.create(DUE, "weekly", title="was stopped")
    world.worker.mongo.tasks.update_one({"_id": stopped}, {"$set": {"repeatType": "none"}})
    world.worker.change(str(stopped), "update", dry_run=False)
    world.add_task(DUE, "custom", title="cannot be", recurrence={"rule": "FREQ=NEVER"})

    found = {status: every_page(visitor, status=status) for status in
             ("running", "behind", "paused", "ended", "stopped", "refused")}  # fmt: skip

    assert found == {
        "running": ["runs", "is behind time"],
        "behind": ["is new"],
        "paused": ["rests"],
        "ended": ["is over"],
        "stopped": ["was stopped"],
        "refused": ["cannot be"],
    }
    assert every_page(visitor, overdue="yes") == ["is behind time"]
    assert "recurrence.rule: FREQ=NEVER" in text(visitor.get(status="refused"))


def test_a_task_whose_fields_are_of_other_types_costs_the_others_nothing(api: Api, visitor: Visitor) -> None:
    odd: list[dict[str, Any]] = [
        {"repeatType": {"every": "day"}},
        {"repeatType": ["daily"], "title": ["a", 1]},
        {"dueDate": "tomorrow", "title": None, "userId": "somebody"},
        {"recurrence": "FREQ=DAILY", "timezone": "Mars/Base"},
    ]
    added = [api.world.add_task(DUE, "weekly", **fields) for fields in odd]
    answers = [visitor.get(f"/series/{series}") for series in added]
    assert [answer.status_code for answer in answers] == [200, 200, 422, 200]
    assert "userId: &#39;somebody&#39; is not an ObjectId" in answers[2].text
    api.world.worker.mongo.tasks.insert_one({"_id": "text", "taskId": 900, "repeatType": "daily", "title": "By text"})
    api.world.create(DUE, "weekly", title="As it should be")
    assert len(titles(visitor.get().text)) == 5
    assert every_page(visitor, status="behind") == []
    assert every_page(visitor, status="running") == ["As it should be"]


def test_a_search_that_finds_little_ends_and_says_that_it_goes_on(api: Api, visitor: Visitor) -> None:
    """Else one page would read everything there is."""
    api.world.worker.mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": 100_000}})
    api.world.add_task(DUE, "weekly", title="The last")
    api.world.worker.mongo.tasks.insert_one(
        {"taskId": 1, "title": "The first", "repeatType": "weekly", "dueDate": DUE, "parentRecurringId": None}
    )
    first = visitor.get(search="The first")
    assert "Nothing here fits, as far as was looked: go on." in text(first)
    assert every_page(visitor, search="The first") == ["The first"]
    assert every_page(visitor) == ["The last", "The first"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"user": "nobody"}, "userId: 'nobody' is not an id of 24 hex digits"),
        ({"status": "odd"}, "status: 'odd' is not one of running, behind, paused"),
        ({"order": "size"}, "order: 'size' is not one of newest, oldest, due"),
        ({"order": "due"}, "order: 'due' needs a user"),
        ({"after": "<b>"}, "after: '<b>' is not what a page says of the next one"),
        ({"search": "a\0b"}, "search: 'a\\x00b' holds a character that no text has"),
        ({"search": "x" * 101}, "is longer than 100 characters"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_field_and_value(visitor: Visitor, asked: dict[str, str], said: str) -> None:
    answer = visitor.get(**asked)
    assert answer.status_code == 400
    assert said.replace("'", "&#39;").replace("<", "&lt;").replace(">", "&gt;") in answer.text


def test_a_title_that_is_markup_is_shown_as_it_is_written(api: Api, visitor: Visitor) -> None:
    for title in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "</title><b>"):
        series = api.world.create(DUE, "weekly", title=title)
        listed, one = visitor.get(), visitor.get(f"/series/{series}")
        assert title in text(listed)
        assert title in text(one)
        for page in (listed.text, one.text):
            assert "<script>alert" not in page
            assert "<img" not in page
            assert "</title><b>" not in page
