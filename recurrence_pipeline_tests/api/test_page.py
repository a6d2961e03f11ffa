"""The OpenAPI page: what a client generator needs is in it, its examples are right, and so are the answers."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from bson import ObjectId
from jsonschema_rs import Draft202012Validator

from recurrence_pipeline import __version__
from recurrence_pipeline.api.errors import FAILURES, all_below
from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain import errors
from recurrence_pipeline_tests.api.serving import (
    CLEANUP,
    EVENTS,
    HEALTH,
    PREVIEW,
    RECURRENCE,
    SERIES,
    STATS,
    VALIDATE,
    Api,
    serving,
)
from recurrence_pipeline_tests.world import utc

Page = dict[str, Any]

WITHOUT_CODE = {errors.InvalidInput, errors.PermissionDenied}
"""Answered 400 and 403, whose bodies have none."""
NOT_OVER_HTTP = {errors.ConfigurationError, errors.RestoreRefused, errors.ResumeRefused, errors.TimeZoneDataOutdated}
"""Of commands and of jobs."""
KINDS = {errors.RecurrenceError, errors.Permanent, errors.Transient, errors.ProcessingFailed}
"""Which have kinds of their own, or the code of their cause."""


@pytest.fixture
def page(api: Api) -> Page:
    """Return the page."""
    found: Page = api.client.get("/internal/openapi.json").json()
    return found


def operations(page: Page) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each operation with its method and path."""
    for path, methods in page["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(page: Page) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the content of each status of each operation."""
    for name, operation in operations(page):
        for status, response in operation["responses"].items():
            [content] = response["content"].values()
            yield f"{status} of {name}", content


def examples(content: dict[str, Any]) -> list[Any]:
    """Return the examples of a content."""
    several = [example["value"] for example in content.get("examples", {}).values()]
    return [*several, *([content["example"]] if "example" in content else [])]


def misfits(page: Page, schema: dict[str, Any], value: Any) -> list[str]:
    """Return what a schema of the page has against a value."""
    validator = Draft202012Validator({**schema, "components": page["components"]})
    return [error.message for error in validator.iter_errors(value)]


def test_the_page_names_the_version_of_the_software_and_every_tag_it_uses(page: Page) -> None:
    assert page["info"]["version"] == __version__
    used = {tag for _, operation in operations(page) for tag in operation["tags"]}
    assert used == {tag["name"] for tag in page["tags"]}


def test_operations_have_ids_of_their_own_that_are_good_names_for_functions(page: Page) -> None:
    ids = [operation["operationId"] for _, operation in operations(page)]
    assert sorted(ids) == [
        "cleanUpOrphans", "explainDay", "getCalendar", "getHealth", "getStats", "listEvents", "previewSlots",
        "processRecurrence", "reopenTask", "replayEvent", "skipSlot", "updateSeries", "validateRecurrence",
    ]  # fmt: skip


def test_every_status_has_an_example_and_every_example_fits_its_schema(page: Page) -> None:
    for where, content in contents(page):
        assert examples(content), where
        for example in examples(content):
            assert misfits(page, content["schema"], example) == [], (where, example)


def test_an_example_that_does_not_fit_would_be_found(page: Page) -> None:
    content = dict(contents(page))[f"200 of GET {HEALTH}"]
    assert misfits(page, content["schema"], {**content["example"], "more": 1})
    assert misfits(page, content["schema"], {"success": True})


def test_every_code_that_an_error_can_bring_is_in_the_page(page: Page) -> None:
    bodies = [body for _, content in contents(page) for body in examples(content) if isinstance(body, dict)]
    shown = {body.get("code") for body in bodies} - {None}
    every = {error for error in all_below(errors.RecurrenceError) if error.__module__ == errors.__name__}
    of_the_system = every - WITHOUT_CODE - NOT_OVER_HTTP - KINDS
    assert shown == {error.code for error in of_the_system} | FAILURES.keys() - {"CLIENT_GONE"}


def test_the_page_describes_no_error_of_the_framework(page: Page) -> None:
    assert not {"HTTPValidationError", "ValidationError"} & page["components"]["schemas"].keys()
    assert "422" not in page["paths"][STATS]["get"]["responses"]


def answers(api: Api) -> Iterator[httpx.Response]:
    """Ask for everything, and for much that is refused; some tasks hold what the application never writes."""
    task_id = api.world.add_task(utc(2024, 1, 31, 9), "monthly", title=7, links={"a": [1.5]}, priority=None)
    yield api.recurrence("create", task_id)
    yield api.recurrence("complete", task_id)
    yield api.recurrence("complete", task_id)
    yield api.get(PREVIEW, taskId=task_id, count=2)
    for operation in ("update", "reopen", "skip"):
        at = f"{SERIES}/{task_id}/{operation}"
        yield api.client.post(at, json={"dryRun": True})
        yield api.client.post(at, json={"dryRun": True, "slot": 2})
        yield api.client.post(at)
    yield api.recurrence("delete", task_id, api.world.user)
    yield api.recurrence("create", ObjectId())
    yield api.recurrence("create", api.world.add_task(utc(2024, 1, 2), "hourly"))
    yield api.recurrence("create", "x")
    yield api.client.post(RECURRENCE, content=b"{}")
    yield api.client.post(CLEANUP)
    yield api.client.post(VALIDATE, json={"task": {"title": [None, {"a": 1}]}})
    yield api.client.post(VALIDATE, json={"task": {"repeatType": "hourly"}})
    yield api.client.post(VALIDATE, json={})
    yield api.client.get(HEALTH)
    yield api.client.get(STATS)
    yield api.get(STATS, nothing=1)
    yield api.client.get(EVENTS)
    yield api.get(PREVIEW, taskId=ObjectId())
    event_id = api.world.add_event("create", ObjectId(), status="failed", attempts=4, errors=[{"odd": 1}], runId="x")
    yield api.client.post(f"{EVENTS}/{event_id}/replay")
    yield api.client.post(f"{EVENTS}/{ObjectId()}/replay")
    done = api.world.add_event("create", ObjectId(), status="completed")
    yield api.client.post(f"{EVENTS}/{done}/replay")


def test_answers_fit_the_page(api: Api, page: Page) -> None:
    described = dict(contents(page))
    statuses = set()
    for answer in answers(api):
        path = re.sub(r"events/.*/", "events/{event_id}/", answer.request.url.path)
        path = re.sub(r"series/.*/", "series/{task_id}/", path)
        where = f"{answer.status_code} of {answer.request.method} {path}"
        assert misfits(page, described[where]["schema"], answer.json()) == [], (where, answer.text)
        statuses.add(answer.status_code)
    assert statuses == {200, 400, 404, 409, 415, 422}


def test_the_answer_of_a_worker_without_a_database_fits_the_page(page: Page) -> None:
    url = "mongodb://127.0.0.1:1/task-app?directConnection=true"
    settings = Settings.from_environment({"MONGODB_URL": url, "WORKER_TIMEOUT": "500"})
    with open_worker(settings) as worker, serving(worker) as address:
        answer = httpx.get(address + HEALTH, trust_env=False)
    body = answer.json()
    assert (answer.status_code, body["data"]["error"]) == (503, "the database cannot be worked with at the moment")
    assert misfits(page, dict(contents(page))[f"503 of GET {HEALTH}"]["schema"], body) == []
