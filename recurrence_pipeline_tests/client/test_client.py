"""The client and the API, each real, with a socket between them."""

from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.client import AccessDenied, Delivered, Queued, Refused
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.serving import Api
from recurrence_pipeline_tests.subjects import Subject
from recurrence_pipeline_tests.world import utc

DUE = utc(2024, 1, 1, 9)


@pytest.fixture(params=["sync", "async"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.param)


def test_a_series_from_its_creation_to_its_deletion(subject: Subject, api: Api) -> None:
    world = api.world
    task_id = world.add_task(DUE, "daily")
    with subject.open(str(api.client.base_url)) as client:
        created = client.call("trigger_task_creation", task_id)
        world.complete(task_id)
        completed = client.call("trigger_task_completion", task_id)
        world.worker.mongo.tasks.delete_one({"_id": task_id})
        deleted = client.call("trigger_task_deletion", task_id, world.user)

    assert isinstance(created, Delivered)
    assert (created.data["operation"], created.data["taskId"]) == ("create", str(task_id))
    assert [task["dueDate"] for task in created.data["result"]] == [
        f"2024-01-0{day}T09:00:00.000Z" for day in (2, 3, 4)
    ]
    assert completed.data["result"]["updatedTask"]["dueDate"] == "2024-01-02T09:00:00.000Z"
    assert completed.data["result"]["createdTask"]["dueDate"] == "2024-01-05T09:00:00.000Z"
    assert deleted.data["result"] == 4
    assert world.occurrences(task_id) == []


def test_a_series_is_edited_skipped_and_reopened(subject: Subject, api: Api) -> None:
    world = api.world
    task_id = world.create(DUE, "daily")
    world.worker.mongo.tasks.update_one({"_id": task_id}, {"$set": {"repeatType": "weekly"}})
    with subject.open(str(api.client.base_url)) as client:
        dry = client.call("update", task_id, 2, dry_run=True)
        assert world.due_dates(task_id)[1] == utc(2024, 1, 3, 9)
        done = client.call("update", task_id, 2)
        assert [change["kind"] for change in done.data["changes"]] == ["changes", "moves", "moves"]
        assert done == Delivered(dry.data | {"written": True})
        skipped = client.call("skip", task_id, 1)
        assert skipped.data["changes"][0]["why"] == "skipped"
        client.call("skip", task_id, 1, undo=True)
        with pytest.raises(Refused, match="Slot 0 is the original itself") as caught:
            client.call("skip", task_id)
        world.complete(task_id)
        client.call("trigger_task_completion", task_id)
        with pytest.raises(Refused, match="is completed: it was not taken back"):
            client.call("reopen", task_id)
    assert (caught.value.status, caught.value.reason) == (409, "CHANGE_REFUSED")


@pytest.mark.parametrize("task_id", ["", "6b04", "../health", f"{'f' * 24}/skip?", "g" * 24])
def test_an_id_that_is_none_is_put_into_no_path(subject: Subject, api: Api, task_id: str) -> None:
    with subject.open(str(api.client.base_url)) as client:
        for method in ("update", "reopen", "skip"):
            with pytest.raises(Refused, match="is not an id of 24 hex digits") as caught:
                client.call(method, task_id)
            assert (caught.value.status, caught.value.reason) == (None, "INVALID_INPUT")


def test_its_questions_are_answered(subject: Subject, api: Api) -> None:
    task = {"repeatType": "daily", "dueDate": DUE}
    with subject.open(str(api.client.base_url)) as client:
        assert client.call("is_worker_available") is True
        assert client.call("get_worker_health")["stats"]["totalTasks"] == 0
        assert client.call("trigger_cleanup")["operations"]["orphanedTasksCleanup"]["cleanedCount"] == 0
        with pytest.raises(Refused, match="Due date for recurring tasks should not be more than 1 day in the past"):
            client.call("validate_recurrence", task | {"dueDate": utc(2020, 1, 1)})
        with pytest.raises(Refused, match="Invalid repeat type: hourly"):
            client.call("validate_recurrence", task | {"repeatType": "hourly"})
        assert client.call("validate_recurrence", task | {"dueDate": utc(2999, 1, 1)})["valid"] is True


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["trigger_task_creation", "6b04"], (400, None)),
        (["trigger_task_creation", ObjectId("f" * 24)], (404, "ORIGINAL_NOT_FOUND")),
        (["trigger_task_deletion", "f" * 24, "nobody"], (400, None)),
    ],
)
def test_what_the_api_refuses_is_refused_with_its_code(
    subject: Subject, api: Api, mongodb_url: str, arguments: list[Any], refusal: tuple[int, str | None]
) -> None:
    with subject.open(str(api.client.base_url), database_url=mongodb_url) as client, pytest.raises(Refused) as caught:
        client.call(*arguments)
    assert (caught.value.status, caught.value.reason) == refusal
    assert not isinstance(caught.value, AccessDenied), "or it would have been queued"
    assert api.world.worker.mongo.events.count_documents({"source": "outbox"}) == 0


def test_a_task_that_may_not_recur_is_refused_with_the_reason(subject: Subject, api: Api) -> None:
    task_id = api.world.add_task(DUE, "hourly")
    with (
        subject.open(str(api.client.base_url)) as client,
        pytest.raises(Refused, match="Invalid repeat type") as caught,
    ):
        client.call("trigger_task_creation", task_id)
    assert (caught.value.status, caught.value.reason) == (422, "INVALID_RECURRENCE")


def test_a_wrong_key_is_told_apart_and_loses_nothing(subject: Subject, open_api: OpenApi, mongodb_url: str) -> None:
    api = open_api(INTERNAL_API_KEY="right")
    task_id, url = api.world.add_task(DUE, "daily"), str(api.client.base_url)
    with subject.open(url, key="wrong") as client, pytest.raises(AccessDenied, match="Invalid internal API key"):
        client.call("trigger_task_creation", task_id)
    with subject.open(url, key="wrong", database_url=mongodb_url) as client:
        assert isinstance(client.call("trigger_task_creation", task_id), Queued)
    with subject.open(url, key="right") as client:
        assert isinstance(client.call("trigger_task_creation", task_id), Delivered)
    assert len(api.world.occurrences(task_id)) == 3


def test_a_wrong_path_is_told_apart(subject: Subject, api: Api) -> None:
    url = str(api.client.base_url).rstrip("/") + "/elsewhere"
    with subject.open(url) as client, pytest.raises(AccessDenied, match="Internal API endpoint not found"):
        client.call("trigger_task_creation", "f" * 24)


def test_a_limit_of_requests_is_waited_out_and_then_queued(
    subject: Subject, open_api: OpenApi, mongodb_url: str
) -> None:
    api = open_api(RATE_LIMIT_PER_MINUTE="1")
    task_id = api.world.add_task(DUE, "daily")
    with subject.open(str(api.client.base_url), database_url=mongodb_url) as client:
        assert isinstance(client.call("trigger_task_creation", task_id), Delivered)
        queued = client.call("trigger_task_completion", task_id)
    assert isinstance(queued, Queued)
    assert queued.reason.startswith("429")
    assert len(subject.waits) == 2
    assert all(0.5 <= wait <= 10 for wait in subject.waits)
