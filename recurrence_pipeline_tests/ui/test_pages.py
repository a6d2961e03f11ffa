"""What an operator sees in the UI of the running system, through a real browser, held against the database."""

import re
from typing import TYPE_CHECKING

import pytest
from bson import ObjectId

from recurrence_pipeline.local.stack import LocalStack
from recurrence_pipeline_tests.ui.conftest import LEFT_ALONE, SCREENSHOTS
from recurrence_pipeline_tests.ui.launching import ended
from recurrence_pipeline_tests.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.ui, pytest.mark.timeout(600)]

LAUNCHPAD = "/locations/recurrence_pipeline/jobs/process_task/playground"
CONFIG = """
task_id: '{task_id}'
operation: complete
dry_run: false
"""

COLOURED_CANVASES = """() => [...document.querySelectorAll('canvas')].filter(canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  for (let i = 0; i < pixels.length; i += 4)
    if (pixels[i + 3] > 200 && pixels[i + 2] - pixels[i + 1] > 80) return true;
  return false;
}).length"""
"""The lines of the plots are blue; axes and labels are grey."""


def first_run(system: LocalStack) -> str:
    """Return the id of the run that worked the sample off."""
    return next(run.id for run in system.dagster.runs() if run.job == "process_task_events")


def outputs(page: "Page", op: str) -> "Locator":
    """Leave only what an op put out in the log of a run, and return the button that shows all of it."""
    page.get_by_placeholder("Filter…").fill(f"step:{op} type:STEP_OUTPUT")
    button = page.get_by_role("button", name="View full message")
    page.wait_for_url("**STEP_OUTPUT**")
    button.wait_for()
    return button


def message(page: "Page", op: str) -> "Locator":
    """Open all that an op put out, and return it."""
    outputs(page, op).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Yielded output").wait_for()
    return dialog


def number(shown: "Locator", name: str) -> str:
    """Return the value that stands beside a name of metadata."""
    row = shown.locator("tr", has=shown.page.get_by_text(name, exact=True)).first  # a table below may hold the name too
    return str(row.locator("td").last.inner_text())


def red_and_green(element: "Locator") -> tuple[int, int]:
    """Return the first two components of the colour of a text."""
    colour = str(element.evaluate("e => getComputedStyle(e).color"))
    red, green, _ = colour.removeprefix("rgb(").removesuffix(")").split(",")
    return int(red), int(green)


def evaluation(page: "Page", check: str) -> "Locator":
    """Open a check of the tasks, and return the word for its last result."""
    page.goto(f"/assets/tasks?view=checks&checkDetail={check}")
    result = page.locator("div", has=page.get_by_text("Evaluation result", exact=True)).last
    return result.get_by_text("Failed", exact=True)


def launch(page: "Page", system: LocalStack) -> str:
    """Press the button of the launchpad, and return the run once it has succeeded."""
    page.get_by_text("No errors", exact=True).wait_for()
    page.get_by_role("button", name="Launch Run").click()
    page.wait_for_url("**/runs/*")
    run_id = str(page.url).rsplit("/", 1)[-1]
    assert ended(system, run_id) == "SUCCESS"
    return run_id


def quiet_series(system: LocalStack) -> ObjectId:
    """Return the original of a series that has three occurrences, with nothing of it completed yet."""
    tasks = system.worker.mongo.tasks
    known = [series["_id"] for series in system.worker.mongo.series.find({"cursor.number": 3})]
    for original in tasks.find({"repeatType": "weekly", "parentRecurringId": None, "_id": {"$in": known}}):
        series = list(tasks.find({"parentRecurringId": original["_id"]}))
        if len(series) == 3 and not any(task["isCompleted"] for task in [original, *series]):
            return ObjectId(original["_id"])
    raise AssertionError("the sample has no such series")


def test_the_runs_are_listed_with_what_started_them_and_how_much_was_due(page: "Page", system: LocalStack) -> None:
    page.goto("/runs")
    link = page.get_by_role("link", name=first_run(system)[:8])
    row = page.locator("div", has=link).filter(has_text="Success").last

    shown = row.inner_text()

    assert "process_task_events" in shown
    assert "task_event_sen" in shown
    assert re.search(r"recurrence/events_due: \d{3}", shown)


def test_a_run_shows_what_it_came_to_and_why_events_were_refused(page: "Page", system: LocalStack) -> None:
    run_id = first_run(system)
    events = system.worker.mongo.events
    page.goto(f"/runs/{run_id}")
    outputs(page, "summarize")
    page.get_by_text("process_creations", exact=True).wait_for()
    page.screenshot(
        path=SCREENSHOTS / "run.png", clip={"x": 0, "y": 0, "width": 1440, "height": 680}, animations="disabled"
    )

    shown = message(page, "summarize")

    assert int(number(shown, "completed")) == events.count_documents({"runId": run_id, "status": "completed"}) > 0
    assert int(number(shown, "rejected")) == events.count_documents({"runId": run_id, "status": "rejected"}) > 0
    assert int(number(shown, "occurrences_created")) > 1000
    assert shown.get_by_role("columnheader", name="reason").count() == 1
    assert shown.get_by_role("cell", name="Original task not found", exact=True).count() > 10


def test_the_health_of_the_worker_is_plotted(page: "Page", system: LocalStack) -> None:
    page.goto("/assets/worker_health")
    page.get_by_role("button", name="Plots").click()
    for name in ("originals", "events_rejected", "success_percent", "p95_processing_ms"):
        page.get_by_text(name, exact=True).wait_for()

    wait_until(lambda: page.locator("canvas").count() > 20, "there are plots")
    wait_until(lambda: page.evaluate(COLOURED_CANVASES) == page.locator("canvas").count(), "each plot has its line")

    page.get_by_text("events_completed", exact=True).evaluate("e => e.scrollIntoView()")
    page.screenshot(path=SCREENSHOTS / "health.png")


def test_a_failing_check_is_red_and_shows_what_it_found(page: "Page", system: LocalStack) -> None:
    warning = red_and_green(evaluation(page, "no_recurring_subtasks"))
    error = red_and_green(evaluation(page, "no_orphans"))

    assert error[0] > 2 * error[1], "red"
    assert warning[0] < 2 * warning[1], "a warning is another colour"
    assert page.get_by_text("An occurrence hangs on a task that is not there").count() > 0
    assert page.get_by_role("cell", name=LEFT_ALONE, exact=True).count() == 1


def test_the_launchpad_pressed_as_it_opens_lists_the_latest_events(page: "Page", system: LocalStack) -> None:
    """Where somebody looks for the id of a task."""
    page.goto(LAUNCHPAD)
    before = system.worker.mongo.events.count_documents({})

    launch(page, system)
    shown = message(page, "process_one_task")

    assert number(shown, "written") == "false"
    assert shown.get_by_role("row").count() > 20
    assert system.worker.mongo.events.count_documents({}) == before


def test_the_launchpad_refuses_a_wrong_id_before_there_is_a_run(page: "Page", system: LocalStack) -> None:
    page.goto(LAUNCHPAD)
    page.get_by_text("No errors", exact=True).wait_for()
    before = [run.id for run in system.dagster.runs() if run.job == "process_task"]
    editor = page.locator(".CodeMirror").first

    editor.evaluate("(e, text) => e.CodeMirror.setValue(text)", CONFIG.format(task_id="12"))
    page.get_by_text("No errors", exact=True).wait_for()  # it knows types and names only
    page.get_by_role("button", name="Launch Run").click()

    page.get_by_text("taskId: '12' is not an id of 24 hex digits").first.wait_for()
    assert [run.id for run in system.dagster.runs() if run.job == "process_task"] == before


def test_the_page_of_a_collection_says_what_the_last_run_wrote_to_it(page: "Page", system: LocalStack) -> None:
    page.goto("/assets/tasks?view=overview")

    for name in ("occurrences_created", "last_event_at", "Row count"):
        page.get_by_text(name, exact=True).first.wait_for()
    page.goto("/assets/task_events?view=overview")
    page.get_by_text("processed_without_run", exact=True).first.wait_for()


def test_one_page_says_whether_all_is_green(page: "Page", system: LocalStack) -> None:
    page.goto("/assets/worker_health?view=checks&checkDetail=all_checks_pass")

    page.get_by_role("cell", name="no_orphans", exact=True).first.wait_for()
    assert page.get_by_text("Failed", exact=True).count() > 0


def test_an_operation_launched_by_hand_is_done_and_its_result_can_be_read(page: "Page", system: LocalStack) -> None:
    original = quiet_series(system)
    page.goto(LAUNCHPAD)
    page.get_by_text("No errors", exact=True).wait_for()
    editor = page.locator(".CodeMirror").first
    editor.evaluate("(e, text) => e.CodeMirror.setValue(text)", CONFIG.format(task_id=original))

    run_id = launch(page, system)
    shown = message(page, "process_one_task")

    mongo = system.worker.mongo
    event = mongo.events.find_one({"runId": run_id})
    assert event is not None
    assert (event["taskId"], event["operation"], event["status"]) == (original, "complete", "completed")
    made = mongo.tasks.find_one({"parentRecurringId": original, "occurrenceNumber": 4})
    assert made is not None
    assert (number(shown, "written"), number(shown, "created")) == ("true", "1")
    assert shown.get_by_role("cell", name=str(made["_id"]), exact=True).count() == 1
