"""A series changed over HTTP: what follows slot by slot, done or only looked at, and what is refused."""

from typing import Any

import httpx
import pytest
from bson import ObjectId

from recurrence_pipeline.api import schemas
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.serving import Api, bad_request
from recurrence_pipeline_tests.world import utc

HEAD = ObjectId(schemas.ID)


@pytest.fixture
def monthly(api: Api) -> Api:
    """Return an API with the series of the page's examples: monthly from the last day of January on."""
    api.world.create(utc(2024, 1, 31, 9), "monthly", _id=HEAD, title="Pay rent")
    return api


def ask(api: Api, operation: str, task_id: object = HEAD, **body: Any) -> httpx.Response:
    return api.client.post(f"/internal/worker/series/{task_id}/{operation}", json=body)


def edit(api: Api, task_id: ObjectId, **fields: Any) -> None:
    api.world.worker.mongo.tasks.update_one({"_id": task_id}, {"$set": fields})


def due(api: Api) -> list[str]:
    return [f"{date:%m-%d}" for date in api.world.due_dates(HEAD)]


def example_of(api: Api, operation: str) -> Any:
    described = api.client.get("/internal/openapi.json").json()["paths"]
    path = described[f"/internal/worker/series/{{task_id}}/{operation}"]["post"]
    return path["responses"]["200"]["content"]["application/json"]["example"]


def test_update_answers_as_the_page_shows(monthly: Api) -> None:
    edit(monthly, HEAD, repeatType="custom", recurrence={"rule": "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=-1"})

    answer = ask(monthly, "update")

    assert (answer.status_code, answer.json()) == (200, example_of(monthly, "update"))
    assert due(monthly) == ["03-31", "05-31", "07-31"]


def test_reopen_answers_as_the_page_shows(monthly: Api) -> None:
    edit(monthly, HEAD, isCompleted=True)
    assert monthly.recurrence("complete", HEAD).status_code == 200
    edit(monthly, HEAD, isCompleted=False)

    answer = ask(monthly, "reopen")

    assert (answer.status_code, answer.json()) == (200, example_of(monthly, "reopen"))
    assert due(monthly) == ["02-29", "03-31", "04-30"]


def test_skip_answers_as_the_page_shows_and_a_dry_run_writes_nothing(monthly: Api) -> None:
    before, events = monthly.world.everything(), monthly.world.worker.mongo.events.count_documents({})

    answer = ask(monthly, "skip", slot=2, dryRun=True)

    assert (answer.status_code, answer.json()) == (200, example_of(monthly, "skip"))
    assert monthly.world.everything() == before
    assert monthly.world.worker.mongo.events.count_documents({}) == events
    done = ask(monthly, "skip", slot=2).json()
    assert done["message"] == f"Successfully processed skip for task {HEAD}"
    assert done["data"] == answer.json()["data"] | {"written": True}
    assert due(monthly) == ["02-29", "04-30", "05-31"]
    event = monthly.world.worker.mongo.events.find_one({"operation": "skip"}) or {}
    assert (event["source"], event["slot"], event["status"]) == ("api", 2, "completed")
    listed = monthly.client.get(f"/internal/worker/events?taskId={HEAD}&limit=1").json()["data"]["events"][0]
    assert (listed["operation"], listed["slot"]) == ("skip", 2)


def test_a_skip_is_undone_and_an_update_begins_at_a_slot(monthly: Api) -> None:
    third = monthly.world.occurrences(HEAD)[2]["_id"]
    assert ask(monthly, "skip", task_id=str(third).upper()).status_code == 200
    assert due(monthly) == ["02-29", "03-31", "05-31"]
    assert ask(monthly, "skip", slot=3, undo=True).status_code == 200
    assert due(monthly) == ["02-29", "03-31", "04-30", "05-31"]
    edit(monthly, HEAD, repeatType="yearly")
    assert ask(monthly, "update", fromSlot=3).status_code == 200
    assert due(monthly)[:2] == ["02-29", "03-31"]
    assert due(monthly)[2] == "01-31"


def test_a_request_without_a_body_asks_for_the_whole_thing(monthly: Api) -> None:
    edit(monthly, HEAD, title="Pay the rent")
    answer = monthly.client.post(f"/internal/worker/series/{HEAD}/update")
    assert {change["kind"] for change in answer.json()["data"]["changes"]} == {"changes"}
    assert {task["title"] for task in monthly.world.occurrences(HEAD)} == {"Pay the rent"}


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_stands_in_the_way_is_a_conflict_and_is_named(monthly: Api, *, dry_run: bool) -> None:
    edit(monthly, HEAD, isCompleted=True)
    monthly.recurrence("complete", HEAD)
    edit(monthly, HEAD, isCompleted=False)
    last = monthly.world.occurrences(HEAD)[-1]["_id"]
    edit(monthly, last, title="mine")

    answer = ask(monthly, "reopen", dryRun=dry_run)

    said = f"The completion cannot be taken back: a person changed task {last} (slot 4)"
    assert (answer.status_code, answer.json()) == (
        409,
        {
            "success": False,
            "error": "Conflict",
            "code": "CHANGE_REFUSED",
            "message": f"Worker processing failed for operation: reopen: {said}",
            "retryable": False,
        },
    )


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_unknown_task_and_an_unknown_slot_are_told_apart(monthly: Api, *, dry_run: bool) -> None:
    missing = ask(monthly, "update", task_id="f" * 24, dryRun=dry_run)
    assert (missing.status_code, missing.json()["code"]) == (404, "ORIGINAL_NOT_FOUND")
    slot = ask(monthly, "skip", slot=2_000_000, dryRun=dry_run)
    assert (slot.status_code, slot.json()["code"]) == (422, "INVALID_RECURRENCE")
    assert "2000000" in slot.json()["message"]


@pytest.mark.parametrize(
    ("operation", "body", "message"),
    [
        ("update", {"dryrun": True}, "Unknown field: dryrun"),
        ("reopen", {"slot": 2}, "Unknown field: slot"),
        ("update", {"undo": True}, "Unknown field: undo"),
        ("update", {"dryRun": "true"}, "dryRun must be true or false"),
        ("skip", {"undo": 1}, "undo must be true or false"),
        ("skip", {"slot": "2"}, "slot must be a whole number from 0 to 3652059"),
        ("skip", {"slot": 1.5}, "slot must be a whole number from 0 to 3652059"),
        ("update", {"fromSlot": -1}, "fromSlot must be a whole number from 0 to 3652059"),
        ("update", {"fromSlot": True}, "fromSlot must be a whole number from 0 to 3652059"),
        ("update", [{"dryRun": True}], "Valid JSON object is required"),
        ("update", "dryRun", "Valid JSON object is required"),
    ],
)
def test_what_is_misspelt_or_of_another_type_changes_nothing(
    monthly: Api, operation: str, body: Any, message: str
) -> None:
    """Else a dry run that was misspelt would be done."""
    before = monthly.world.everything()
    answer = monthly.client.post(f"/internal/worker/series/{HEAD}/{operation}", json=body)
    assert (answer.status_code, answer.json()) == (400, bad_request(message))
    assert monthly.world.everything() == before


def test_a_task_id_that_is_none_is_named(api: Api) -> None:
    assert ask(api, "update", task_id="6b04").json() == bad_request("Valid taskId is required")


def test_the_endpoint_of_the_contract_keeps_its_three_operations(monthly: Api) -> None:
    answer = monthly.recurrence("update", HEAD)
    assert (answer.status_code, answer.json()) == (
        400,
        bad_request("Invalid operation. Must be one of: create, complete, delete"),
    )


def test_a_key_is_asked_for_as_for_all_that_writes(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY="s3cret")
    assert ask(api, "skip").status_code == 403
