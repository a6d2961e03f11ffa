"""The contract as the application knows it, to the letter: success, bad requests, no such path."""

import re
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.storage.heartbeats import Part, Process
from recurrence_pipeline_tests.api.serving import (
    CLEANUP,
    HEALTH,
    NO_SUCH_PATH,
    RECURRENCE,
    STATS,
    VALIDATE,
    Api,
    bad_request,
)
from recurrence_pipeline_tests.heartbeats import pass_minutes
from recurrence_pipeline_tests.world import utc

TASK_FIELDS = {
    "userId", "title", "description", "dueDate", "originalDueDate", "priority", "category", "isCompleted", "repeatType",
    "parentTaskId", "parentRecurringId", "links", "additionalNotes", "_id", "taskId", "createdAt", "updatedAt", "__v",
}  # fmt: skip
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UNKNOWN = ObjectId("f" * 24)
STATISTICS = {"totalTasks", "recurringTasks", "recurringInstances", "dailyRecurring", "weeklyRecurring",
              "monthlyRecurring"}  # fmt: skip


def result(api: Api, operation: str, task_id: ObjectId, user_id: ObjectId | None = None) -> Any:
    """Have an operation processed, check what is around its result, and return that."""
    answer = api.recurrence(operation, task_id, user_id)
    body = answer.json()
    assert answer.status_code == 200, body
    found = body["data"].pop("result")
    assert body == {
        "success": True,
        "message": f"Successfully processed {operation} for task {task_id}",
        "data": {"success": True, "operation": operation, "taskId": str(task_id)},
    }
    return found


def test_create_answers_with_the_tasks_it_made_field_by_field(api: Api) -> None:
    task_id = api.world.add_task(utc(2024, 1, 31, 9), "monthly")
    made = result(api, "create", task_id)
    assert [task["dueDate"] for task in made] == [
        "2024-02-29T09:00:00.000Z",
        "2024-03-31T09:00:00.000Z",
        "2024-04-30T09:00:00.000Z",
    ]
    assert made[0] == {
        "userId": str(api.world.user),
        "title": "Daily standup",
        "description": "",
        "dueDate": "2024-02-29T09:00:00.000Z",
        "originalDueDate": "2024-02-29T09:00:00.000Z",
        "priority": "high",
        "category": "work",
        "isCompleted": False,
        "repeatType": "monthly",
        "parentTaskId": None,
        "parentRecurringId": str(task_id),
        "links": ["https://example.org"],
        "additionalNotes": "",
        "_id": str(api.world.occurrences(task_id)[0]["_id"]),
        "taskId": 2,
        "createdAt": "2024-01-01T12:00:00.000Z",
        "updatedAt": "2024-01-01T12:00:00.000Z",
        "__v": 0,
    }


def test_a_repeated_create_answers_with_the_occurrences_that_are_there(api: Api) -> None:
    """Else a client that sends once more after a lost answer would take the second one for a failure, or for 6."""
    task_id = api.world.add_task(utc(2024, 1, 2, 9), "daily")
    first = result(api, "create", task_id)
    assert result(api, "create", task_id) == first
    assert len(api.world.occurrences(task_id)) == 3


def test_create_of_a_task_that_does_not_repeat_answers_with_an_empty_list(api: Api) -> None:
    assert result(api, "create", api.world.add_task(utc(2024, 1, 2), "none")) == []


def test_what_the_application_left_out_of_a_task_is_filled_in_with_its_defaults(api: Api) -> None:
    task_id = api.world.add_task(utc(2024, 1, 2), "daily")
    bare = ["description", "priority", "category", "links", "additionalNotes"]
    api.world.worker.mongo.tasks.update_one({"_id": task_id}, {"$unset": dict.fromkeys(bare, "")})
    (task, *_) = result(api, "create", task_id)
    assert {name: task[name] for name in bare} == {
        "description": "", "priority": "medium", "category": "", "links": [], "additionalNotes": ""
    }  # fmt: skip


def test_complete_answers_with_the_next_task_and_the_one_it_made(api: Api) -> None:
    task_id = api.world.create(utc(2024, 1, 2, 9), "weekly")
    answer = result(api, "complete", task_id)
    assert set(answer) == {"updatedTask", "createdTask"}
    assert set(answer["updatedTask"]) == set(answer["createdTask"]) == TASK_FIELDS
    assert answer["updatedTask"]["dueDate"] == "2024-01-09T09:00:00.000Z"
    assert answer["createdTask"]["dueDate"] == "2024-01-30T09:00:00.000Z"


def test_complete_with_nothing_new_answers_null(api: Api) -> None:
    task_id = api.world.create(utc(2024, 1, 2), "daily")
    result(api, "complete", task_id)
    again = result(api, "complete", task_id)
    assert again["createdTask"] is None
    assert again["updatedTask"]["dueDate"] == "2024-01-03T00:00:00.000Z"


def test_complete_of_a_task_that_does_not_repeat_answers_null_twice(api: Api) -> None:
    task_id = api.world.add_task(utc(2024, 1, 2), "none")
    assert result(api, "complete", task_id) == {"updatedTask": None, "createdTask": None}


def test_delete_answers_with_a_number(api: Api) -> None:
    task_id = api.world.create(utc(2024, 1, 2), "daily")
    assert result(api, "delete", task_id, api.world.user) == 3
    assert result(api, "delete", task_id, api.world.user) == 0
    assert result(api, "delete", UNKNOWN, api.world.user) == 0


def test_other_users_tasks_under_the_same_original_stay(api: Api) -> None:
    task_id = api.world.create(utc(2024, 1, 2), "daily")
    api.world.add_task(utc(2024, 1, 9), "daily", parentRecurringId=task_id, userId=ObjectId())
    assert result(api, "delete", task_id, api.world.user) == 3


@pytest.mark.parametrize(
    "task_id", [None, "", "abc", "g" * 24, "f" * 25, 7, ["f" * 24], {"$ne": None}, "f" * 10_000, "f" * 24 + "\n"]
)
def test_a_task_id_that_is_no_id_is_refused(shared_api: Api, task_id: object) -> None:
    answer = shared_api.recurrence("create", task_id)
    assert (answer.status_code, answer.json()) == (400, bad_request("Valid taskId is required"))


@pytest.mark.parametrize("operation", [None, "", 1, ["create"], {"$ne": None}])
def test_an_operation_that_is_no_text_is_refused(shared_api: Api, operation: object) -> None:
    answer = shared_api.recurrence(operation, UNKNOWN)
    assert (answer.status_code, answer.json()) == (400, bad_request("Valid operation is required"))


@pytest.mark.parametrize("operation", ["update", "CREATE", " create", "x" * 10_000])
def test_an_unknown_operation_is_refused_and_the_known_ones_are_named(shared_api: Api, operation: str) -> None:
    message = "Invalid operation. Must be one of: create, complete, delete"
    answer = shared_api.recurrence(operation, UNKNOWN)
    assert (answer.status_code, answer.json()) == (400, bad_request(message))


@pytest.mark.parametrize("user_id", [None, "", 0, False])
def test_a_deletion_without_a_user_is_refused(shared_api: Api, user_id: object) -> None:
    body = {"taskId": str(UNKNOWN), "operation": "delete", "userId": user_id}
    answer = shared_api.client.post(RECURRENCE, json=body)
    assert (answer.status_code, answer.json()) == (400, bad_request("userId is required for delete operation"))


@pytest.mark.parametrize("user_id", ["abc", 7, {"$ne": None}, ["f" * 24], "f" * 10_000])
@pytest.mark.parametrize("operation", ["create", "delete"])
def test_a_user_id_that_is_no_id_is_refused(shared_api: Api, operation: str, user_id: object) -> None:
    answer = shared_api.recurrence(operation, UNKNOWN, user_id)
    assert (answer.status_code, answer.json()) == (400, bad_request("Valid userId is required"))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'["taskId"]'])
def test_a_body_without_the_fields_is_told_the_first_that_is_missing(shared_api: Api, body: bytes) -> None:
    answer = shared_api.client.post(RECURRENCE, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (400, bad_request("Valid taskId is required"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/internal"),
        ("POST", "/internal/worker"),
        ("GET", "/internal/worker/nothing"),
        ("GET", RECURRENCE),
        ("PUT", RECURRENCE),
        ("DELETE", HEALTH),
        ("POST", HEALTH),
        ("OPTIONS", HEALTH),
        ("TRACE", HEALTH),
        ("GET", "/internal//worker/health"),
        ("GET", HEALTH + "//"),
        ("GET", "/internal/worker/%68ealth"),
        ("GET", "/internal/docs/nothing.js"),
    ],
)
def test_an_unknown_path_or_method_is_not_found(shared_api: Api, method: str, path: str) -> None:
    answer = shared_api.client.request(method, path)
    assert (answer.status_code, answer.json()) == (404, NO_SUCH_PATH)


@pytest.mark.parametrize("path", [HEALTH + "/", HEALTH.upper(), "/Internal/Worker/Health/"])
def test_a_path_is_known_in_any_case_and_with_a_slash_at_its_end(shared_api: Api, path: str) -> None:
    assert shared_api.client.get(path).status_code == 200


def test_what_answers_get_answers_head(shared_api: Api) -> None:
    answer = shared_api.client.head(HEALTH)
    assert (answer.status_code, answer.content) == (200, b"")


def test_cleanup_needs_no_body_and_counts_the_orphans(api: Api) -> None:
    api.world.add_task(utc(2024, 1, 2), "daily", parentRecurringId=ObjectId())
    for body, cleaned in ((None, 1), ({}, 0)):
        answer = api.client.post(CLEANUP, json=body) if body is not None else api.client.post(CLEANUP)
        found = answer.json()
        assert answer.status_code == 200, found
        assert DATE.fullmatch(found["data"].pop("timestamp"))
        assert found == {
            "success": True,
            "message": "Cleanup operations completed successfully",
            "data": {
                "operations": {"orphanedTasksCleanup": {"completed": True, "cleanedCount": cleaned}},
                "success": True,
            },
        }


def test_health_has_the_services_and_the_figures(api: Api) -> None:
    api.world.create(utc(2024, 1, 2), "daily")
    answer = api.client.get(HEALTH)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "data": {
            "status": "healthy",
            "timestamp": "2024-01-01T12:00:00.000Z",
            "services": {"tasksWorker": "operational", "recurrenceEngine": "operational"},
            "stats": {
                "totalTasks": 4,
                "recurringTasks": 1,
                "recurringInstances": 3,
                "dailyRecurring": 1,
                "weeklyRecurring": 0,
                "monthlyRecurring": 0,
            },
            "parts": [],
        },
    }


def test_health_names_the_part_that_stands_still_and_stays_healthy(api: Api) -> None:
    """It says whether this process can work; who watches `status` must not take the API out because of Dagster."""
    parts, state = api.world.worker.parts, api.world.worker.mongo.state
    parts.beat(Process(Part.DAGSTER, "worker-1", "d1"), stream="alive")
    pass_minutes(state, 4)
    parts.beat(Process(Part.API, "web-1", "a1", 3000))
    data = api.client.get(HEALTH).json()["data"]
    assert data["status"] == "healthy"
    for part in data["parts"]:
        assert DATE.fullmatch(part.pop("since"))
        assert not part.pop("seenAt").startswith("2024"), "the time is the server's, and not this host's"
    assert data["parts"] == [
        {"part": "api", "where": "web-1:3000", "standsStill": False, "changeStream": None},
        {"part": "dagster", "where": "worker-1", "standsStill": True, "changeStream": "alive"},
    ]


def test_stats_are_of_all_users_or_of_one(api: Api) -> None:
    api.world.create(utc(2024, 1, 2), "daily")
    everybody = api.get(STATS).json()
    one = api.get(STATS, userId=api.world.user).json()
    nobody = api.get(STATS, userId=UNKNOWN).json()
    for found, user_id, tasks in (
        (everybody, "all_users", 4),
        (one, str(api.world.user), 4),
        (nobody, str(UNKNOWN), 0),
    ):
        assert found["success"] is True
        assert set(found["data"]) == {"timestamp", "userId", "recurringTasks", "byFrequency", "workerStatus"}
        assert set(found["data"]["recurringTasks"]) == STATISTICS
        services = {name: found["data"]["workerStatus"][name] for name in ("tasksWorker", "recurrenceEngine")}
        assert services == {"tasksWorker": "operational", "recurrenceEngine": "operational"}
        assert (found["data"]["userId"], found["data"]["recurringTasks"]["totalTasks"]) == (user_id, tasks)


@pytest.mark.parametrize("query", ["userId=7", "userId[$ne]=x", f"userId={'f' * 24}&userId={'f' * 24}"])
def test_stats_refuse_what_is_no_user_id(shared_api: Api, query: str) -> None:
    assert shared_api.client.get(f"{STATS}?{query}").status_code == 400


def test_stats_of_no_user_in_particular_are_everybodys(shared_api: Api) -> None:
    """What a program sends whose user is an empty text."""
    answer = shared_api.client.get(f"{STATS}?userId=")
    assert (answer.status_code, answer.json()["data"]["userId"]) == (200, "all_users")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", RECURRENCE),
        ("POST", CLEANUP),
        ("POST", VALIDATE),
        ("GET", HEALTH),
        ("GET", STATS),
        ("GET", "/internal/worker/events"),
        ("POST", f"/internal/worker/events/{UNKNOWN}/replay"),
        ("GET", "/internal/worker/preview"),
        ("GET", "/internal/docs"),
        ("GET", "/internal/docs/start.js"),
        ("GET", "/internal/openapi.json"),
    ],
)
@pytest.mark.parametrize("name", ["userid", "user", "user[$ne]", "", "x" * 5000])
def test_a_parameter_that_nobody_knows_is_named(shared_api: Api, method: str, path: str, name: str) -> None:
    """`stats?userid=...` counted everybody's tasks as if they were that user's."""
    answer = shared_api.client.request(method, path, params={name: str(UNKNOWN)})
    known = name.partition("[")[0][:100]
    assert (answer.status_code, answer.json()) == (400, bad_request(f"Unknown query parameter: {known}"))


def test_validation_echoes_a_task_that_may_recur(shared_api: Api) -> None:
    task = {
        "title": "Miete \N{HOUSE BUILDING}",
        "repeatType": "monthly",
        "dueDate": "2024-01-31T09:00:00.000Z",
        "own": [1, 2.5],
    }
    answer = shared_api.client.post(VALIDATE, json={"task": task})
    assert (answer.status_code, answer.json()) == (200, {"success": True, "data": {"valid": True, "task": task}})


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({"repeatType": "hourly"}, "Invalid repeat type: hourly"),
        ({"repeatType": "daily"}, "Due date is required for recurring tasks"),
        ({"repeatType": "daily", "dueDate": "soon"}, "Due date must be a valid date"),
        (
            {"repeatType": "daily", "dueDate": "2023-12-30T00:00:00.000Z"},
            "Due date for recurring tasks should not be more than 1 day in the past",
        ),
        (
            {"repeatType": "daily", "dueDate": "2024-02-01T00:00:00.000Z", "parentTaskId": "f" * 24},
            "Sub-tasks cannot have recurring patterns",
        ),
        (
            {
                "repeatType": "custom",
                "dueDate": "2024-02-01T00:00:00.000Z",
                "recurrence": {"rule": "FREQ=DAILY;BYHOUR=9"},
            },
            "recurrence.rule: rule 'BYHOUR=9' is no part of a rule",
        ),
        (
            {"repeatType": "weekly", "dueDate": "2024-02-01T00:00:00.000Z", "recurrence": {"horizon": 61}},
            "recurrence.horizon: 61 is not a whole number from 1 to 60",
        ),
    ],
)
def test_validation_says_why_a_task_may_not_recur(shared_api: Api, task: dict[str, str], reason: str) -> None:
    answer = shared_api.client.post(VALIDATE, json={"task": task})
    expected = {"success": False, "error": "Validation Error", "message": f"Recurrence validation failed: {reason}"}
    assert (answer.status_code, answer.json()) == (400, expected)


@pytest.mark.parametrize(
    "due", [1706700600000, "Wed, 31 Jan 2024 11:30:00 GMT", "2024-01-31T11:30:00.000Z", "2024-01-31T12:30+01:00"]
)
def test_a_due_date_may_be_written_as_a_javascript_program_does(api: Api, due: object) -> None:
    """Not every program sends `toJSON()`; and a number of milliseconds is one to be compared with now, as any other."""
    task = {"repeatType": "daily", "dueDate": due}
    assert api.client.post(VALIDATE, json={"task": task}).json() == {
        "success": True,
        "data": {"valid": True, "task": task},
    }
    api.world.now = utc(2024, 2, 2)
    assert "more than 1 day in the past" in api.client.post(VALIDATE, json={"task": task}).json()["message"]


NO_DATES: list[object] = ["soon", True, [], "2024-02-30", 1e300, 8.65e15, {"$date": 1}]
NOTHING: list[object] = [0, "", None, False]


@pytest.mark.parametrize(
    ("due", "reason"),
    [
        *((due, "Due date must be a valid date") for due in NO_DATES),
        *((due, "Due date is required for recurring tasks") for due in NOTHING),
    ],
)
def test_what_is_no_due_date_is_refused_as_one(shared_api: Api, due: object, reason: str) -> None:
    answer = shared_api.client.post(VALIDATE, json={"task": {"repeatType": "daily", "dueDate": due}})
    assert (answer.status_code, answer.json()["message"]) == (400, f"Recurrence validation failed: {reason}")


@pytest.mark.parametrize("body", [{}, {"task": None}, {"task": "daily"}, {"task": []}, {"repeatType": "daily"}])
def test_validation_needs_a_task(shared_api: Api, body: object) -> None:
    answer = shared_api.client.post(VALIDATE, json=body)
    assert (answer.status_code, answer.json()) == (400, bad_request("Valid task object is required"))
