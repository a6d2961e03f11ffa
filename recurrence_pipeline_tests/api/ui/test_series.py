"""The page of one series: its year, its timeline, its tasks, events and deletions, and the same as a file."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from recurrence_pipeline.api.ui.clocks import Clock, Shown
from recurrence_pipeline.api.ui.heatmap import STEP, TOP, heatmap
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.serving import Api
from recurrence_pipeline_tests.api.ui.visitor import Visitor, text
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.world import World, utc

TASKS = "https://app.example.org/tasks/{taskId}"


def lived(world: World) -> ObjectId:
    """Make a series to which everything has happened that can happen to a slot."""
    series = world.create(
        utc(2024, 1, 2, 9),
        "custom",
        title="Water the plants",
        recurrence={
            "rule": "FREQ=WEEKLY;BYDAY=TU",
            "missed": "latest",
            "excluded": ["2024-02-20"],
            "paused": [{"from": "2024-02-26", "until": "2024-03-10", "note": "holidays"}],
            "shift": {"to": "next", "holidays": "DE"},
            "horizon": 3,
        },
    )
    mongo = world.worker.mongo
    for slot, late in ((0, -1), (1, 30)):
        task = series if slot == 0 else world.occurrences_by_slot(series)[slot]
        due = world.task(task)["dueDate"]
        mongo.tasks.update_one(
            {"_id": task}, {"$set": {"isCompleted": True, "completedAt": due + timedelta(hours=late)}}
        )
        world.add_event("complete", task)
        world.work()
    world.worker.change(str(series), "skip", slot=4, dry_run=False)
    mongo.tasks.delete_one({"_id": world.occurrences_by_slot(series)[5]})
    world.now = utc(2024, 1, 24)
    return series


def marks(page: str) -> dict[str, str]:
    """Return how each date of the timeline is marked."""
    found = re.findall(r'<span class="mark ([a-z-]+)"></span>\s*<div>\s*<p class="line"><time datetime="([^T]+)T', page)
    return {day: mark for mark, day in found}


def test_each_slot_is_told_with_what_became_of_it_and_why(api: Api) -> None:
    series = lived(api.world)

    page = Visitor(api).get(f"/series/{series}")

    found = marks(page.text)
    assert found["2024-01-02"] == "done"
    assert found["2024-01-09"] == "late"
    assert found["2024-01-16"] == "overdue"
    assert found["2024-01-23"] == "overdue"
    assert found["2024-01-30"] == "skipped"
    assert found["2024-02-06"] == "deleted"
    assert found["2024-02-13"] == "open"
    assert found["2024-02-20"] == "left-out"
    assert found["2024-02-27"] == found["2024-03-05"] == "paused"
    assert found["2024-03-12"] == "coming"
    assert len(found) == 53
    said = text(page)
    assert "Every Tuesday" in said
    assert "FREQ=WEEKLY;BYDAY=TU" in said
    assert "it was skipped: no task is wanted there." in said
    assert "paused from 2024-02-26 until 2024-03-10: holidays" in said
    assert "2024-01-16 09:00: task" in said


def test_what_was_missed_or_moved_is_marked(api: Api) -> None:
    world = api.world
    options = {"rule": "FREQ=WEEKLY;BYDAY=TU", "missed": "next", "shift": {"to": "next", "holidays": "DE"}}
    series = world.create(utc(2024, 1, 2, 9), "custom", recurrence=options)
    world.now = utc(2024, 1, 17)
    world.complete(series)
    world.add_event("complete", series)
    world.work()

    found = marks(Visitor(api).get(f"/series/{series}").text)

    assert found["2024-01-09"] == "missed"
    assert found["2024-10-01"] == "coming"
    christmas = world.create(utc(2024, 12, 18, 9), "weekly", recurrence=options | {"rule": "FREQ=WEEKLY"})
    assert marks(Visitor(api).get(f"/series/{christmas}").text)["2024-12-27"] == "moved"


def test_every_day_of_a_year_has_its_square(api: Api) -> None:
    series = api.world.create(utc(2024, 1, 2, 9), "daily")
    page = Visitor(api).get(f"/series/{series}").text
    assert len(re.findall(r"<rect ", page)) == 366
    assert len(re.findall(r'<rect class="open', page)) == 4
    assert len(re.findall(r'<rect class="coming', page)) == 361
    assert len(re.findall(r"<rect [^>]*><title>Slot ", page)) == 365
    assert "No slots in 2023." in text(Visitor(api).get(f"/series/{series}", year="2023"))
    assert len(re.findall(r"<rect ", Visitor(api).get(f"/series/{series}", year="2025").text)) == 365


@pytest.mark.parametrize("year", [2023, 2024, 2028, 1, 9998])
def test_squares_stand_in_the_row_of_their_weekday_and_none_on_another(year: int) -> None:
    drawn = heatmap(year, {}, date(year, 1, 1))
    days = [date(year, 1, 1) + timedelta(days=each) for each in range(len(drawn.cells))]
    assert days[-1] == date(year, 12, 31)
    assert [(cell.y - TOP) // STEP for cell in drawn.cells] == [day.weekday() for day in days]
    assert len({(cell.x, cell.y) for cell in drawn.cells}) == len(days)
    assert all(0 <= cell.x < drawn.width and cell.y < drawn.height for cell in drawn.cells)


def test_times_are_on_the_clock_of_whoever_looks_with_that_of_the_series_beside(api: Api) -> None:
    visitor = Visitor(api)
    series = api.world.create(utc(2024, 1, 2, 9), "weekly", timezone="Asia/Tokyo")

    chosen = visitor.post("/zone", zone="America/New_York")
    page = text(visitor.get(f"/series/{series}"))

    assert chosen.status_code == 303
    assert "Tue 2024-01-02 04:00 18:00 Asia/Tokyo" in page
    assert visitor.post("/zone", zone="Mars/Base").status_code == 303
    assert "Tue 2024-01-02 09:00 18:00 Asia/Tokyo" in text(visitor.get(f"/series/{series}"))


def test_a_day_that_is_another_on_the_clock_of_the_series_is_said() -> None:
    shown = Clock("America/New_York").time(utc(2024, 1, 2, 20), "Asia/Tokyo")
    assert shown == Shown("2024-01-02T20:00:00.000Z", "Tue 2024-01-02 15:00", "Wed 2024-01-03 05:00 Asia/Tokyo")
    assert Clock("Asia/Tokyo").time(utc(2024, 1, 2), "Asia/Tokyo") == Shown(
        "2024-01-02T00:00:00.000Z", "Tue 2024-01-02 09:00", ""
    )
    assert Clock("nowhere").time("soon") is None


def test_tasks_lead_to_the_application_and_events_to_dagster(open_api: OpenApi) -> None:
    api = open_api(TASK_URL=TASKS, DAGSTER_UI_URL="https://dagster.example.org")
    series = api.world.add_task(utc(2024, 1, 2, 9), "weekly")
    api.world.add_event("create", series)
    api.world.worker.process_pending(run_id="0f9e7d5c-1111-4222-8333-444455556666")
    page = Visitor(api).get(f"/series/{series}").text
    for task in (series, *(task["_id"] for task in api.world.occurrences(series))):
        assert f'href="{TASKS.format(taskId=task)}"' in page
    assert 'href="https://dagster.example.org/runs/0f9e7d5c-1111-4222-8333-444455556666"' in page


def test_a_series_that_cannot_be_worked_on_says_why_and_so_do_its_events(api: Api) -> None:
    series = api.world.create(utc(2024, 1, 2, 9), "custom", recurrence={"rule": "FREQ=NEVER"})
    page = text(Visitor(api).get(f"/series/{series}"))
    assert "State refused" in page
    assert "Nothing is made: recurrence.rule: FREQ=NEVER" in page
    assert "INVALID_RECURRENCE: recurrence.rule: FREQ=NEVER" in page


def test_an_occurrence_leads_to_its_series_and_what_is_left_of_one_is_shown(api: Api) -> None:
    series = api.world.create(utc(2024, 1, 2, 9), "weekly", title="Head")
    occurrence = api.world.occurrences(series)[0]["_id"]
    assert "Head" in text(Visitor(api).get(f"/series/{occurrence}"))
    api.world.worker.mongo.tasks.delete_one({"_id": series})
    assert "The original is gone" in text(Visitor(api).get(f"/series/{series}"))


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/series/xyz", 400, "taskId: 'xyz' is not an id of 24 hex digits"),
        (f"/series/{'f' * 24}", 404, "Task ffffffffffffffffffffffff is not there"),
        (f"/series/{'f' * 24}?year=soon", 400, "year: 'soon' is not a year such as 2027"),
        ("/nothing", 404, "Internal API endpoint not found"),
    ],
)
def test_what_is_not_there_is_refused_by_name(api: Api, path: str, status: int, said: str) -> None:
    answer = Visitor(api).get(path)
    assert (answer.status_code, said.replace("'", "&#39;") in answer.text or said in answer.text) == (status, True)


def test_the_file_of_a_series_is_the_page_of_it_and_needs_nothing_beside(prepared: Run, tmp_path: Path) -> None:
    [listed] = prepared("series", "--json").json
    file = tmp_path / "series.html"

    assert prepared("series", listed["seriesId"], "--html", str(file)).code == 0

    page = file.read_text(encoding="utf-8")
    assert listed["title"] in page
    assert len(re.findall(r"<rect ", page)) in {365, 366}
    assert "<style>" in page
    for leads_out in ("<script", "<form", "<link", "/internal/", 'http-equiv="refresh"'):
        assert leads_out not in page


def test_series_are_listed_on_a_terminal(prepared: Run) -> None:
    [listed] = prepared("series", "--json").json
    assert listed["state"] == "behind"
    assert listed["seriesId"] in prepared("series").out
    assert prepared("series", "--search", "no such title").out.strip() == "No series."
    assert prepared("series", "--user-id", listed["userId"], "--json").json == [listed]
    assert prepared("series", "--user-id", "f" * 24, "--json").json == []
    late = prepared("series", "--overdue", "--json").json
    assert late == ([listed] if listed["overdue"] else [])
    for wrong in (["--html", "x.html"], [listed["seriesId"], "--overdue"], ["--user-id", "x"]):
        assert prepared("series", *wrong).code == 2
