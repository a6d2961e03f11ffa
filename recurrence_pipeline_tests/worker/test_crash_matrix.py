"""A worker is killed after each of its writes, in earnest; the next one ends in the documents of a calm run.

The documents are compared field by field, but for numbers, times, and how often it was tried.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline.worker.service import OperationRequest
from recurrence_pipeline_tests.worker.crashing import Work, Write, killed_after_step, killed_after_write
from recurrence_pipeline_tests.worker.scenarios import (
    LIFE,
    Prepare,
    Scenario,
    completions,
    creations,
    deletions,
    exclusions,
    mixed,
    refused_creations,
    shortenings,
    skips_undone,
    undone_creations,
)
from recurrence_pipeline_tests.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

NUMBERED_ONCE: Write = ("findAndModify", "counters")
NUMBERED: set[Write] = {NUMBERED_ONCE}
"""Takes numbers for what is inserted next."""

REMEMBERED: set[Write] = {("insert", "task_series"), ("update", "task_series")}
KEPT: set[Write] = {("insert", "deleted_tasks"), ("update", "deleted_tasks")}
WRITES_OF: dict[WriteStep, set[Write]] = {
    WriteStep.ANNOUNCE: {("update", "task_events")},
    WriteStep.CURSORS_PAST_DELETIONS: REMEMBERED,
    WriteStep.REVISIONS: REMEMBERED,
    WriteStep.SKIPS: REMEMBERED,
    WriteStep.SKIPPED_BACK: {("insert", "tasks"), ("update", "deleted_tasks")} | NUMBERED,
    WriteStep.OCCURRENCES: {("insert", "tasks")} | NUMBERED,
    WriteStep.ACTIVITIES: {("insert", "useractivities")} | NUMBERED,
    WriteStep.LINKS: {("update", "tasks")},
    WriteStep.EDITS: {("update", "tasks")},
    WriteStep.KEEP_RETIRED: KEPT,
    WriteStep.RETIREMENT_ACTIVITIES: {("insert", "useractivities")} | NUMBERED,
    WriteStep.RETIRE_SUBTASKS: {("delete", "tasks")},
    WriteStep.RETIRE: {("delete", "tasks")},
    WriteStep.LOWERED: REMEMBERED,
    WriteStep.KEEP_DELETED: KEPT,
    WriteStep.DELETE_SUBTASKS: {("delete", "tasks")},
    WriteStep.DELETE: {("delete", "tasks")},
    WriteStep.CURSORS: REMEMBERED,
    WriteStep.FAILURES: {("insert", "useractivities")} | NUMBERED,
    WriteStep.OUTCOMES: {("update", "task_events")},
}
LEASE: Write = ("update", "task_events")
"""The first write of all; at the door, where the event is new, HELD_AT_ONCE."""
HELD_AT_ONCE: Write = ("insert", "task_events")
RENEWAL: list[Write] = [("update", "task_events")] * 2
"""Before a step, where the lease is half over: one for the claims, one for the events."""

ELSEWHERE = {
    WriteStep.RESTORING,
    WriteStep.REMEMBERED,
    WriteStep.ORIGINALS_BACK,
    WriteStep.OCCURRENCES_BACK,
    WriteStep.RESTORED,
    WriteStep.MOVED,
    WriteStep.MOVES_TOLD,
    WriteStep.MOVES_NOTED,
    WriteStep.CLOCKS_MOVED,
    WriteStep.ORIGINALS_MOVED,
    WriteStep.CLOCKS_FOLLOWED,
}
"""No event asks for these; recovery/test_restore.py, maintenance/test_time_zones.py and test_zone_moves.py there crash
after each of them."""

HALF_A_LEASE = timedelta(seconds=30)

THE_CONTRACT: list[Prepare] = [creations, refused_creations, undone_creations, completions, deletions]
ONE = [*THE_CONTRACT, *LIFE]
MANY: list[Prepare] = [creations, completions, deletions]
CASES = [pytest.param(prepare, 1, id=f"{prepare.__name__}-1") for prepare in ONE]
CASES += [pytest.param(prepare, 50, id=f"{prepare.__name__}-50") for prepare in MANY]


@pytest.fixture
def scenario(world: World) -> Scenario:
    return Scenario(world)


@pytest.fixture
def chunked_world(mongodb_url: str) -> Iterator[World]:
    """Return a world where a group of writes goes out in several commands."""
    world = World(mongodb_url, MONGODB_WRITE_CHUNK="4")
    yield world
    world.close()


@pytest.mark.parametrize(("prepare", "count"), CASES)
def test_a_worker_that_is_killed_after_any_step_leaves_work_that_ends_like_calm_work(
    scenario: Scenario, prepare: Prepare, count: int
) -> None:
    prepare(scenario, count)
    done = scenario.calm()
    expected = scenario.documents()
    assert len(done.places) > 1

    for place, step in done.places:
        scenario.put_back()
        killed_after_step(scenario.work(), place)
        scenario.resume()
        assert scenario.documents() == expected, f"killed after step {place}: {step.value}"
        scenario.check_numbers()


def test_a_worker_that_is_killed_between_the_commands_of_a_step_leaves_work_that_ends_like_calm_work(
    chunked_world: World,
) -> None:
    """A group of writes goes out in chunks, and in commands of several kinds: any of them can be the last."""
    scenario = mixed(chunked_world, [creations, refused_creations, completions, deletions], 2)
    check_after_each_write(scenario, scenario.work(), lambda _: True)


def test_a_worker_that_is_killed_between_the_commands_of_a_change_leaves_work_that_ends_like_calm_work(
    chunked_world: World,
) -> None:
    scenario = mixed(chunked_world, [skips_undone, exclusions, shortenings], 1)
    check_after_each_write(scenario, scenario.work(), lambda write: write != NUMBERED_ONCE)


def test_a_slow_worker_that_is_killed_as_it_renews_its_lease_leaves_work_that_ends_like_calm_work(world: World) -> None:
    scenario = mixed(world, [completions, deletions], 1)
    check_after_each_write(scenario, replace(scenario.work(), pace=HALF_A_LEASE), lambda write: write in RENEWAL)


def check_after_each_write(scenario: Scenario, work: Work, among: Callable[[Write], bool]) -> None:
    writes = scenario.calm(work).in_order
    expected = scenario.documents()
    for place, step, write in [(n, step, write) for n, (step, write) in enumerate(writes, 1) if among(write)]:
        scenario.put_back()
        killed_after_write(work, place)
        scenario.resume()
        assert scenario.documents() == expected, f"killed after write {place}, {write}, of step {step}"
        scenario.check_numbers()


@pytest.mark.parametrize("prepared", [[creations], [completions], [deletions], [creations, completions, deletions]])
def test_a_worker_that_is_killed_while_somebody_waits_for_its_answer_leaves_work_that_ends_like_calm_work(
    world: World, prepared: list[Prepare]
) -> None:
    """Events are written already held: from its very first write on, the next worker knows what was asked."""
    scenario = mixed(world, prepared, 1)
    events = scenario.world.worker.mongo.events
    waiting = list(events.find({"status": "pending"}))
    events.delete_many({"_id": {"$in": [event["_id"] for event in waiting]}})
    asked = [OperationRequest(str(event["taskId"]), event["operation"], str(event["userId"])) for event in waiting]
    assert len(asked) == len(prepared)
    work = replace(scenario.work(), asked=asked)
    writes = scenario.calm(work).in_order
    assert writes[0][1] == HELD_AT_ONCE
    expected = whoever_asked(scenario)

    for place, (step, write) in enumerate(writes, 1):
        scenario.put_back()
        killed_after_write(work, place)
        scenario.resume()
        assert whoever_asked(scenario) == expected, f"killed after write {place}, {write}, of step {step}"
        scenario.check_numbers()


def whoever_asked(scenario: Scenario) -> dict[str, list[Any]]:
    """Return the documents, but for the id of the event, which is new in each try, and what is derived from it."""
    of_the_event = {"_id", "createdByEvent", "deletion", "createdAt"}
    found = scenario.documents()
    tasks = [{**task, "createdByEvent": task.get("createdByEvent") is not None} for task in found.pop("tasks")]
    rest = {
        name: sorted(({n: v for n, v in d.items() if n not in of_the_event} for d in documents), key=repr)
        for name, documents in found.items()
    }
    for copy in rest["deleted"]:
        copy["task"].pop("createdByEvent", None)
    return rest | {"tasks": tasks}


def test_no_step_no_write_and_no_operation_is_missing_from_the_matrix(mongodb_url: str) -> None:
    """A write that somebody adds must be named above, and belong to a step, after which the worker is killed."""
    seen: set[WriteStep] = set()
    asked: set[str] = set()
    for prepare in ONE:
        world = World(mongodb_url)
        scenario = Scenario(world)
        prepare(scenario, 1)
        asked |= scenario.operations()
        done = scenario.calm()
        (lease, *first), *others = done.writes
        assert lease == LEASE
        for step, writes in zip(done.steps, [first, *others], strict=True):
            assert set(writes) <= WRITES_OF[step], f"{prepare.__name__}: {step.value}"
        assert done.rest == []
        seen |= {step for step, writes in zip(done.steps, [first, *others], strict=True) if writes}
        world.close()
    assert seen == set(WRITES_OF) == set(WriteStep) - ELSEWHERE
    assert asked == {operation.value for operation in Operation}


def test_a_renewal_is_all_that_a_slow_worker_writes_besides(scenario: Scenario) -> None:
    deletions(scenario, 1)
    swift = scenario.calm()
    scenario.put_back()
    slow = scenario.calm(replace(scenario.work(), pace=HALF_A_LEASE))
    assert slow.steps == swift.steps
    assert slow.writes == [swift.writes[0], *(RENEWAL + writes for writes in swift.writes[1:])]


def test_what_users_see_is_exact_after_a_crash_at_any_step(world: World) -> None:
    """The deleted count, the created count, and one activity for each fact."""
    scenario = mixed(world, THE_CONTRACT, 3)
    places = scenario.calm().places
    mongo = world.worker.mongo
    for place, _ in places:
        scenario.put_back()
        there = {task["_id"] for task in mongo.tasks.find()}
        subtasks = {task["_id"] for task in mongo.tasks.find({"parentTaskId": {"$ne": None}, "repeatType": "none"})}
        killed_after_step(scenario.work(), place)
        scenario.resume()
        results = [event.get("result", {}) for event in mongo.events.find()]
        created = [task_id for result in results for task_id in result.get("created", [])]
        made = {task["_id"] for task in mongo.tasks.find()} - there
        assert sorted(created) == sorted(made), "each occurrence is in the answer to one event"
        gone = there - {task["_id"] for task in mongo.tasks.find()} - set(scenario.doomed)
        assert sum(result.get("deleted", 0) for result in results) == len(gone - subtasks)
        assert subtasks <= gone, "sub-tasks go along, and are not counted"
        facts = Counter((activity["action"], activity["taskId"]) for activity in mongo.activities.find())
        assert [fact for fact, times in facts.items() if times > 1] == []
        scenario.check_numbers()
