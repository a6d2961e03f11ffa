"""What happened to a task, once more for what was refused, and when a task comes next."""

import pytest
from bson import ObjectId

from recurrence_pipeline_tests.api.serving import EVENTS, PREVIEW, Api, bad_request
from recurrence_pipeline_tests.world import utc


def listed(api: Api, **params: object) -> list[str]:
    """Return the ids of the events that are listed."""
    answer = api.get(EVENTS, **params)
    assert answer.status_code == 200, answer.text
    return [event["_id"] for event in answer.json()["data"]["events"]]


def replay(api: Api, event_id: object) -> tuple[int, dict[str, object]]:
    answer = api.client.post(f"{EVENTS}/{event_id}/replay")
    return answer.status_code, answer.json()


def test_an_event_is_shown_with_what_came_of_it(api: Api) -> None:
    task_id = api.world.add_task(utc(2024, 1, 2), "daily")
    api.recurrence("create", task_id)
    (event,) = api.get(EVENTS, taskId=task_id).json()["data"]["events"]
    made = [str(task["_id"]) for task in api.world.occurrences(task_id)]
    assert event.pop("_id")
    assert event == {
        "operation": "create",
        "taskId": str(task_id),
        "status": "completed",
        "source": "api",
        "createdAt": "2024-01-01T12:00:00.000Z",
        "availableAt": "2024-01-01T12:00:00.000Z",
        "attempts": 0,
        "startedAt": "2024-01-01T12:00:00.000Z",
        "finishedAt": "2024-01-01T12:00:00.000Z",
        "durationMs": 0,
        "result": {"created": made, "updated": None, "deleted": 0},
    }


def test_events_are_listed_newest_first_by_status_and_by_task(api: Api) -> None:
    task_id, other = ObjectId(), ObjectId()
    first = str(api.world.add_event("create", task_id))
    api.world.pass_time(seconds=1)
    second = str(api.world.add_event("complete", task_id, status="failed"))
    api.world.pass_time(seconds=1)
    third = str(api.world.add_event("create", other))
    assert listed(api) == [third, second, first]
    assert listed(api, limit=1) == [third]
    assert listed(api, taskId=task_id) == [second, first]
    assert listed(api, status="pending") == [third, first]
    assert listed(api, status="pending", taskId=task_id) == [first]
    assert listed(api, status="rejected") == []


NO_LIMITS = ("0", "501", "-1", "1e2", "x", "%D9%A1", "", "%2B5", "1_0", "5.0", "%205")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        *((f"limit={text}", "limit must be a whole number from 1 to 500") for text in NO_LIMITS),
        *(
            (f"status={text}", "Invalid status. Must be one of: pending, processing, completed, rejected, failed")
            for text in ("lost", "", "FAILED", "null")
        ),
        ("taskId=7", "Valid taskId is required"),
        ("taskId=", "Valid taskId is required"),
        ("taskId[$ne]=1", "taskId must be one plain value"),
        ("limit=1&limit=2", "limit must be one plain value"),
        ("sort=1&limit=0", "Unknown query parameter: sort"),
        ("limit=0&status=lost&task_id=7", "Unknown query parameter: task_id"),
    ],
)
def test_a_question_that_cannot_be_right_is_refused(api: Api, query: str, message: str) -> None:
    answer = api.client.get(f"{EVENTS}?{query}")
    assert (answer.status_code, answer.json()) == (400, bad_request(message))


@pytest.mark.parametrize("status", ["failed", "rejected"])
def test_a_refused_event_can_be_replayed_and_is_worked_off(api: Api, status: str) -> None:
    task_id = api.world.add_task(utc(2024, 1, 2), "daily")
    error = {"kind": "transient", "code": "PARTIAL", "message": "x", "at": api.world.now, "attempt": 4}
    event_id = api.world.add_event(
        "create", task_id, status=status, attempts=4, errors=[error], finishedAt=api.world.now, source="outbox",
        lease={"term": 7, "deaths": 5},
    )  # fmt: skip
    code, body = replay(api, event_id)
    assert (code, body["message"]) == (200, f"Event {event_id} is pending")
    stored = api.world.event(event_id)
    assert (stored["status"], stored["attempts"], stored["availableAt"]) == ("pending", 0, api.world.now)
    assert stored["lease"] == {"term": 7, "deaths": []}, "a term never falls: it fences off older holders"
    assert (len(stored["errors"]), stored["source"], "finishedAt" in stored) == (1, "outbox", False)
    assert api.world.work().count("completed") == 1
    assert len(api.world.occurrences(task_id)) == 3


def test_a_replay_may_be_sent_twice(api: Api) -> None:
    event_id = api.world.add_event("create", ObjectId(), status="failed")
    assert [replay(api, event_id)[1]["data"]["replayed"] for _ in range(2)] == [True, False]  # type: ignore[index]


def test_an_event_in_work_or_completed_is_not_replayed(api: Api) -> None:
    until = api.world.now.replace(hour=13)
    held = api.world.add_event(
        "create", ObjectId(), status="processing", lease={"owner": "x", "term": 1, "until": until}
    )
    for event_id in (held, api.world.add_event("create", ObjectId(), status="completed")):
        before = api.world.event(event_id)
        code, body = replay(api, event_id)
        assert (code, body["code"]) == (409, "NOT_REPLAYABLE")
        assert api.world.event(event_id) == before


def test_an_event_that_is_not_there_is_not_found(api: Api) -> None:
    code, body = replay(api, ObjectId())
    assert (code, body["code"]) == (404, "EVENT_NOT_FOUND")
    assert replay(api, "abc") == (400, {"error": "Bad Request", "message": "Valid event_id is required"})


def test_an_event_with_a_lease_of_no_known_shape_can_be_replayed(api: Api) -> None:
    """One odd document must not need a person at the database."""
    event_id = api.world.add_event("create", ObjectId(), status="failed", lease={"term": "x"} | {"term": 1})
    assert replay(api, event_id)[0] == 200


def test_the_next_slots_are_shown_with_what_is_odd_about_them(api: Api) -> None:
    task_id = api.world.add_task(utc(2024, 1, 31, 1, 30), "monthly", timezone="Europe/Berlin")
    data = api.get(PREVIEW, taskId=task_id, count=2, **{"from": "2024-02-01T00:00:00Z"}).json()["data"]
    assert data["words"] == "the 31st of every month, or the last day of a shorter one"
    assert data["slots"] == [
        {
            "slot": 1,
            "local": "2024-02-29T02:30:00+01:00",
            "utc": "2024-02-29T01:30:00.000Z",
            "offset": "+01:00",
            "note": "31 clamped to 29",
            "state": "to_be_made",
            "taskId": None,
        },
        {
            "slot": 2,
            "local": "2024-03-31T03:30:00+02:00",
            "utc": "2024-03-31T01:30:00.000Z",
            "offset": "+02:00",
            "note": "02:30 does not exist, moved to 03:30",
            "state": "to_be_made",
            "taskId": None,
        },
    ]


def test_a_preview_shows_ten_slots_unless_told_otherwise(api: Api) -> None:
    task_id = api.world.add_task(utc(2024, 1, 2), "daily")
    assert len(api.get(PREVIEW, taskId=task_id).json()["data"]["slots"]) == 10


def test_there_is_no_preview_of_what_is_not_there_or_does_not_recur(api: Api) -> None:
    assert api.get(PREVIEW).status_code == 400
    assert api.get(PREVIEW, taskId=ObjectId(), count=0).status_code == 400
    unknown = api.get(PREVIEW, taskId=ObjectId())
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ORIGINAL_NOT_FOUND")
    plain = api.get(PREVIEW, taskId=api.world.add_task(utc(2024, 1, 2), "none"))
    assert (plain.status_code, plain.json()["code"]) == (422, "INVALID_RECURRENCE")
