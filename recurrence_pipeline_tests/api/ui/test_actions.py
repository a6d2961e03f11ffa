"""What is done from the pages: looked at first, done once, and noted in the audit log."""

import re
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.storage.task_edits import TaskEdit
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.serving import Api
from recurrence_pipeline_tests.api.ui.visitor import KEY, Visitor, text
from recurrence_pipeline_tests.world import utc

FIRST = utc(2024, 1, 2, 9)


@pytest.fixture
def series(api: Api) -> ObjectId:
    return api.world.create(FIRST, "weekly")


def changes(page: str) -> dict[str, list[str]]:
    """Return the dates that a dry run is drawn on, by what becomes of them."""
    found: dict[str, list[str]] = {}
    for kind, day in re.findall(r'<li class="change ([a-z]+)">.*?datetime="([^T]+)T', page, re.DOTALL):
        found.setdefault(kind, []).append(day)
    return found


def look(api: Api, series: object, **asked: Any) -> str:
    """Ask what would happen, and return the page; nothing may change by it."""
    before = api.world.everything()
    answer = Visitor(api).get(f"/series/{series}", **asked)
    assert answer.status_code == 200, answer.text
    assert api.world.everything() == before
    assert api.world.worker.mongo.audit.count_documents({}) == 0
    return answer.text


def do(api: Api, series: object, **asked: Any) -> str:
    """Do it, and return what the page says of that."""
    visitor = Visitor(api)
    return visitor.followed(visitor.post(f"/series/{series}/do", **asked))


def due(api: Api, series: ObjectId) -> list[str]:
    return [f"{date:%Y-%m-%d}" for date in api.world.due_dates(series)]


def test_a_completion_is_drawn_and_then_told_to_the_worker(api: Api, series: ObjectId) -> None:
    asked = {"try": "complete", "task": str(series)}
    assert changes(look(api, series, **asked)) == {"appears": ["2024-01-30"]}
    assert "complete : tasks made: 1" in do(api, series, **asked)
    assert due(api, series) == ["2024-01-09", "2024-01-16", "2024-01-23", "2024-01-30"]
    assert "complete : tasks made: 0" in do(api, series, **asked), "done twice, it makes nothing twice"
    assert len(due(api, series)) == 4


def test_a_skip_is_drawn_and_done(api: Api, series: ObjectId) -> None:
    asked = {"try": "skip", "slot": "2"}
    drawn = changes(look(api, series, **asked))
    assert (drawn["goes"], drawn["appears"]) == (["2024-01-16"], ["2024-01-30"])
    assert "goes: 1" in do(api, series, **asked)
    assert due(api, series) == ["2024-01-09", "2024-01-23", "2024-01-30"]


def test_another_rule_is_drawn_and_then_written_where_the_application_would(api: Api, series: ObjectId) -> None:
    asked = {"try": "rule", "rule": "every other Wednesday"}
    drawn = changes(look(api, series, **asked))
    assert drawn == {
        "leaves": ["2024-01-09", "2024-01-16", "2024-01-23"],
        "moves": ["2024-01-17", "2024-01-31", "2024-02-14"],
    }

    assert "moves: 3" in do(api, series, **asked)

    original = api.world.task(series)
    assert (original["repeatType"], original["recurrence"]) == ("custom", {"rule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=WE"})
    assert sorted(due(api, series)) == drawn["moves"]
    assert {task["recurrence"]["rule"] for task in api.world.occurrences(series)} == {original["recurrence"]["rule"]}


def test_a_pause_is_drawn_and_keeps_those_that_there_were(api: Api) -> None:
    before = {"from": "2024-06-01", "until": "2024-06-30", "note": "summer"}
    series = api.world.create(FIRST, "weekly", recurrence={"paused": [before]})
    asked = {"try": "pause", "until": "2024-01-17"}
    drawn = changes(look(api, series, **asked))
    assert drawn["goes"] == ["2024-01-09", "2024-01-16"] or "moves" in drawn

    do(api, series, **asked)
    do(api, series, **asked)

    assert api.world.task(series)["recurrence"]["paused"] == [before, {"from": "2024-01-01", "until": "2024-01-17"}]
    assert min(due(api, series)) == "2024-01-23"
    assert len(due(api, series)) == 4, "as many as without a first date that is paused"


def test_a_deletion_is_drawn_done_and_taken_back(api: Api, series: ObjectId) -> None:
    before = due(api, series)
    assert changes(look(api, series, **{"try": "delete"}))["goes"] == before
    assert "delete : tasks deleted: 3" in do(api, series, **{"try": "delete"})
    assert due(api, series) == []
    assert api.world.task(series)["_id"] == series, "the original is the application's"

    visitor = Visitor(api)
    page = visitor.get(f"/series/{series}").text
    link = re.search(r'href="/internal/ui(/deletions/([0-9a-f]{24}))\?series=', page)
    assert link is not None
    offered = text(visitor.get(link[1], series=str(series)))
    assert "Would be put back 3" in offered
    assert due(api, series) == []
    back = visitor.followed(visitor.post(f"{link[1]}/restore", series=str(series)))
    assert "restore : tasks put back: 3 of 3" in back
    assert due(api, series) == before


def test_what_would_be_refused_says_so_and_offers_nothing_to_do(api: Api, series: ObjectId) -> None:
    for asked, status, said in (
        ({"try": "rule", "rule": "now and then"}, 422, "rule: 'now and then'"),
        ({"try": "pause", "until": "2023-12-31"}, 400, "until: 2023-12-31 is not a day from 2024-01-01 on"),
        ({"try": "pause", "until": "soon"}, 400, "until: 'soon' is not a date such as 2027-01-31"),
        ({"try": "skip", "slot": "0"}, 409, "slot 0"),
        ({"try": "skip", "slot": "-1"}, 400, "slot: '-1' is not a whole number"),
        ({"try": "explode"}, 400, "try: 'explode' is not one of complete, skip, rule, pause, delete"),
        ({"try": "complete", "task": "x"}, 400, "taskId: 'x' is not an id"),
    ):
        answer = Visitor(api).get(f"/series/{series}", **asked)
        assert (answer.status_code, "Do it" in answer.text) == (status, False), asked
        assert said.replace("'", "&#39;").casefold() in answer.text.casefold(), answer.text


def test_a_task_of_another_series_is_not_acted_on_from_this_page(api: Api, series: ObjectId) -> None:
    other = api.world.create(FIRST, "daily")
    answer = Visitor(api).get(f"/series/{series}", **{"try": "complete", "task": str(other)})
    assert answer.status_code == 400
    assert "is none of this series" in answer.text
    before = api.world.everything()
    assert "is none of this series" in do(api, series, **{"try": "complete", "task": str(other)})
    assert api.world.everything() == before


def test_every_act_is_in_the_audit_log_with_who_what_when_and_what_came_of_it(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEY)
    series = api.world.create(FIRST, "weekly")
    visitor = Visitor(api)
    visitor.sign_in()
    visitor.post(f"/series/{series}/do", **{"try": "skip", "slot": "2"})
    visitor.post(f"/series/{series}/do", **{"try": "skip", "slot": "0"})
    visitor.post("/queue/replay", code="<b>TRANSIENT</b>")

    said = text(visitor.get("/audit"))

    name = visitor.get().text.partition('<p class="who">')[2].partition("<")[0]
    assert name.startswith("key ")
    assert KEY not in name
    assert said.count(name) == 3
    assert f"skip slot 2 {series}" in said
    assert "done appears: 1, goes: 1, stays: 2" in said
    assert "not done Worker processing failed for operation: skip" in said
    assert "replay code <b>TRANSIENT</b> queue done events replayed: 0" in said
    assert said.count("2024-01-01 12:00") == 3


def test_what_was_begun_and_never_ended_says_that_nothing_is_known_of_it(api: Api, series: ObjectId) -> None:
    audit = api.world.worker.context.audit
    audit.begin(who="key x", act="skip", subject=str(series), details={}, now=api.world.now)
    assert "not known: it is still being done, or the process died meanwhile" in text(Visitor(api).get("/audit"))


def test_the_audit_log_is_paged_and_kept_for_as_long_as_is_said(api: Api, series: ObjectId) -> None:
    audit = api.world.worker.context.audit
    for each in range(60):
        audit.begin(who=f"who {each}.", act="skip", subject=str(series), details={}, now=api.world.now)
        api.world.pass_time(seconds=1)
    visitor = Visitor(api)
    first = visitor.get("/audit")
    older = re.search(r'href="/internal/ui/audit\?before=([^"]+)"', first.text)
    assert older is not None
    both = text(first) + text(visitor.get("/audit", before=older[1]))
    assert [both.count(f"who {each}.") for each in range(60)] == [1] * 60
    [index] = [i for i in api.world.worker.mongo.audit.index_information().values() if "expireAfterSeconds" in i]
    assert index["expireAfterSeconds"] == 365 * 86_400


def test_an_original_that_somebody_edits_at_the_same_moment_stays_theirs(api: Api, series: ObjectId) -> None:
    world = api.world
    seen = world.task(series)
    world.worker.mongo.tasks.update_one({"_id": series}, {"$set": {"recurrence": {"horizon": 2}}})
    edit = TaskEdit(seen, {"repeatType": "custom", "recurrence": {"rule": "FREQ=DAILY"}})
    assert not world.worker.context.edits.edit_original(edit, world.now)
    assert world.task(series)["recurrence"] == {"horizon": 2}
