"""Requests that come while others are processed are one batch, each with its own answer."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from bson import ObjectId
from pymongo import monitoring

from recurrence_pipeline.api.errors import ApiError
from recurrence_pipeline.api.group_commit import GroupCommit
from recurrence_pipeline.api.pace import AT_FIRST, AT_MOST, Pace
from recurrence_pipeline.api.request_schemas import RecurrenceRequest
from recurrence_pipeline.api.routes import Handlers
from recurrence_pipeline.api.series_requests import ReopenRequest, SkipRequest, UpdateRequest
from recurrence_pipeline.api.threads import Threads
from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
A_WHILE = 60
"""Seconds that a batch waits for a test that went wrong."""


class Batches(monitoring.CommandListener):
    """Notes how many events each batch holds. The first one stops while it works, until it is let go on."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name == "insert" and event.command["insert"] == "task_events":
            self.sizes.append(len(event.command["documents"]))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...

    def look(self, _step: WriteStep) -> None:
        self.has_begun.set()
        assert self.may_go_on.wait(A_WHILE)


@pytest.fixture
def batches() -> Batches:
    return Batches()


@pytest.fixture
def handlers(world: World, batches: Batches) -> Iterator[Handlers]:
    with open_worker(world.settings, clock=lambda: world.now, on_step=batches.look, listeners=[batches]) as worker:
        yield Handlers(worker)


def asked(operation: str, task_id: ObjectId, user_id: ObjectId) -> RecurrenceRequest:
    return RecurrenceRequest.model_validate({"operation": operation, "taskId": str(task_id), "userId": str(user_id)})


async def in_the_meantime(batches: Batches, first: Awaitable[Any], *others: Awaitable[Any]) -> list[Any]:
    """Have the others arrive while the first is processed, and return all answers, errors among them."""
    begun = asyncio.ensure_future(first)
    await asyncio.to_thread(batches.has_begun.wait, A_WHILE)
    arrived = [asyncio.ensure_future(each) for each in others]
    await asyncio.sleep(0)  # each of them comes as far as it can
    batches.may_go_on.set()
    return await asyncio.gather(begun, *arrived, return_exceptions=True)


def test_requests_that_arrive_while_one_is_processed_are_one_batch_each_with_its_own_answer(
    world: World, handlers: Handlers, batches: Batches
) -> None:
    first, created, completed, deleted = (world.add_task(ANCHOR, "daily") for _ in range(4))
    for task in (completed, deleted):
        world.worker.process_task_recurrence(str(task), "create")
    world.complete(completed)

    answers = asyncio.run(
        in_the_meantime(
            batches,
            handlers.process_recurrence(asked("create", first, world.user)),
            handlers.process_recurrence(asked("create", created, world.user)),
            handlers.process_recurrence(asked("create", created, world.user)),
            handlers.process_recurrence(asked("complete", completed, world.user)),
            handlers.process_recurrence(asked("delete", deleted, world.user)),
        )
    )

    assert batches.sizes == [1, 4]
    of_first, of_created, again, of_completed, of_deleted = (answer["data"]["result"] for answer in answers)
    slots = {head: [str(i) for i in world.occurrences_by_slot(head).values()] for head in (first, created, completed)}
    assert [task["_id"] for task in of_first] == slots[first]
    assert [task["_id"] for task in of_created] == [task["_id"] for task in again] == slots[created]
    assert of_completed["updatedTask"]["_id"] == slots[completed][0]
    assert of_completed["createdTask"]["_id"] == slots[completed][3]
    assert of_deleted == 3
    assert [answer["data"]["taskId"] for answer in answers] == [
        str(task) for task in (first, created, created, completed, deleted)
    ]


def test_changes_that_arrive_while_one_is_processed_are_one_batch_each_with_its_own_answer(
    world: World, handlers: Handlers, batches: Batches
) -> None:
    first, edited, skipped = (str(world.create(ANCHOR, "daily")) for _ in range(3))
    unknown = str(ObjectId())
    world.worker.mongo.tasks.update_one({"_id": ObjectId(edited)}, {"$set": {"title": "Another"}})
    now = {"dryRun": False}

    answers = asyncio.run(
        in_the_meantime(
            batches,
            handlers.skip_slot(first, SkipRequest.model_validate(now | {"slot": 2})),
            handlers.update_series(edited, UpdateRequest.model_validate(now)),
            handlers.skip_slot(skipped, SkipRequest.model_validate(now | {"slot": 1})),
            handlers.reopen_task(unknown, ReopenRequest.model_validate(now)),
        )
    )

    assert batches.sizes == [1, 3]
    *done, of_unknown = answers
    assert [answer["data"]["seriesId"] for answer in done] == [first, edited, skipped]
    changes = [answer["data"]["changes"] for answer in done]
    assert [[each["slot"] for each in series if each["kind"] == "goes"] for series in changes] == [[2], [], [1]]
    assert [task["title"] for task in world.occurrences(ObjectId(edited))] == ["Another"] * 3
    assert of_unknown.status == 404, of_unknown


def test_a_bad_request_among_others_costs_itself_alone(world: World, handlers: Handlers, batches: Batches) -> None:
    first, good, odd = (world.add_task(ANCHOR, rule) for rule in ("daily", "weekly", "hourly"))

    answers = asyncio.run(
        in_the_meantime(
            batches,
            handlers.process_recurrence(asked("create", first, world.user)),
            *(handlers.process_recurrence(asked("create", each, world.user)) for each in (good, odd, ObjectId())),
        )
    )

    assert batches.sizes == [1, 3]
    _, of_good, of_odd, of_unknown = answers
    assert [task["_id"] for task in of_good["data"]["result"]] == [str(task["_id"]) for task in world.occurrences(good)]
    assert "hourly" in str(of_odd), of_odd
    assert "not found" in str(of_unknown), of_unknown
    assert [of_odd.status, of_unknown.status] == [422, 404]


def test_requests_that_come_during_a_batch_are_all_in_the_next_and_overtake_nobody() -> None:
    seen: list[list[int]] = []

    async def arriving() -> None:
        loop, late = asyncio.get_running_loop(), list[asyncio.Future[int]]()

        async def come(*numbers: int) -> None:
            late.extend(asyncio.ensure_future(group(number)) for number in numbers)
            await asyncio.sleep(0)

        def process(numbers: Sequence[int]) -> Sequence[int]:
            seen.append([*numbers])
            if len(seen) < 3:
                asyncio.run_coroutine_threadsafe(come(len(seen) * 10, len(seen) * 10 + 1), loop).result(A_WHILE)
            return [-number for number in numbers]

        group: GroupCommit[int, int] = GroupCommit(calls(), process)
        assert await group(1) == -1
        assert await asyncio.gather(*late) == [-10, -11]
        assert await asyncio.gather(*late[2:]) == [-20, -21]

    asyncio.run(arriving())
    assert seen == [[1], [10, 11], [20, 21]]


def test_whoever_goes_away_leaves_the_others_their_answers() -> None:
    async def leaving() -> None:
        group: GroupCommit[int, int] = GroupCommit(calls(), lambda numbers: [-number for number in numbers])
        asking = [asyncio.ensure_future(group(number)) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        assert await asyncio.gather(*asking[1:]) == [-2, -3]
        assert await group(4) == -4

    asyncio.run(leaving())


def test_an_outage_is_told_to_each_of_a_batch_and_to_nobody_after_it() -> None:
    outages = [DatabaseUnavailable("away")]

    def process(numbers: Sequence[int]) -> Sequence[int]:
        if outages:
            raise outages.pop()
        return numbers

    async def asking() -> None:
        group: GroupCommit[int, int] = GroupCommit(calls(), process)
        told = await asyncio.gather(group(1), group(2), return_exceptions=True)
        assert [str(each) for each in told] == ["away", "away"]
        assert await group(3) == 3

    asyncio.run(asking())


def test_a_crowd_is_answered_in_groups_that_fit_into_the_time_of_a_request() -> None:
    """All of a crowd in one batch took longer than a request may, and none of them was answered."""
    sizes: list[int] = []

    def process(numbers: Sequence[int]) -> Sequence[int]:
        sizes.append(len(numbers))
        return [-number for number in numbers]

    async def asking() -> None:
        group: GroupCommit[int, int] = GroupCommit(calls(), process)
        answers = await asyncio.gather(*(group(number) for number in range(1000)))
        assert answers == [-number for number in range(1000)]

    asyncio.run(asking())
    assert sizes[0] == AT_FIRST
    assert all(later <= 2 * earlier <= 2 * AT_MOST for earlier, later in pairwise(sizes)), sizes


def test_whose_turn_does_not_come_in_time_is_told_when_to_come_and_is_then_before_all_who_came_later() -> None:
    """Nothing of it has begun; and each is told another time: all that were sent away would come back at once."""
    worked: list[int] = []
    has_begun, go_on = threading.Event(), threading.Event()

    def process(numbers: Sequence[int]) -> Sequence[int]:
        worked.extend(numbers)
        has_begun.set()
        assert go_on.wait(A_WHILE)
        return numbers

    async def asking() -> list[int]:
        group: GroupCommit[int, int] = GroupCommit(calls(), process)
        group.pace = Pace(timedelta(seconds=10))
        group.pace.took(AT_FIRST, 50.0)  # each took a second
        at_work = asyncio.ensure_future(group(0))
        await asyncio.to_thread(has_begun.wait, A_WHILE)
        group.pace.longest_wait = 0
        told = await asyncio.gather(*(group(number) for number in range(1, 11)), return_exceptions=True)
        group.pace.longest_wait = A_WHILE
        later = asyncio.ensure_future(group(11))
        await asyncio.sleep(0)
        again = [asyncio.ensure_future(group(number)) for number in (7, 3)]
        await asyncio.sleep(0)
        assert worked == [0]
        go_on.set()
        await asyncio.gather(at_work, later, *again)
        assert all(isinstance(each, ApiError) and each.status == 503 and each.body["retryable"] for each in told), told
        return [int(each.headers["Retry-After"]) for each in told if isinstance(each, ApiError)]

    waits = asyncio.run(asking())
    assert waits == [*range(1, 11)]
    assert worked == [0, 3, 7, 11]


def test_a_batch_that_took_too_long_makes_the_next_smaller_and_one_that_did_not_larger() -> None:
    pace = Pace(timedelta(seconds=10))
    pace.took(AT_FIRST, 1.0)
    assert (pace.at_once, pace.come_again(0, 10)) == (75, 1)
    pace.took(75, 6.0)
    assert (pace.at_once, pace.come_again(0, 10)) == (18, 1)
    pace.took(20, 10.0, answered=False)
    assert (pace.at_once, pace.come_again(0, 10)) == (3, 6)


def test_neither_one_request_alone_nor_an_outage_says_how_long_many_take() -> None:
    pace = Pace(timedelta(seconds=10))
    pace.took(1, 0.5)
    pace.took(AT_FIRST, 0.001, answered=False)
    assert (pace.at_once, pace.come_again(0, 1000)) == (AT_FIRST, 1)


def calls(patience: timedelta = timedelta(seconds=A_WHILE)) -> Threads:
    return Threads(at_a_time=1, patience=patience)
