"""A user moves: open tasks and later slots follow, by the wall clock or by the instants; nothing is twice or lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.domain import revising
from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.zone_moves import Keep
from recurrence_pipeline.maintenance.zone_moves import MovedUser
from recurrence_pipeline.storage.documents import Document, is_touched
from recurrence_pipeline.storage.joined_tasks import ORIGINAL
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.world import Crash, World, utc

VANCOUVER, BERLIN, TORONTO = "America/Vancouver", "Europe/Berlin", "America/Toronto"
FIRST = utc(2026, 12, 10, 16)
"""09:00 in Vancouver: 17:00 in Berlin, and 11:00 in Toronto. 09:00 in Berlin is at 08:00 UTC."""
STEPS = (
    WriteStep.MOVED,
    WriteStep.MOVES_TOLD,
    WriteStep.MOVES_NOTED,
    WriteStep.CLOCKS_MOVED,
    WriteStep.ORIGINALS_MOVED,
    WriteStep.CLOCKS_FOLLOWED,
)


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    world = World(mongodb_url, now=utc(2026, 12, 1, 12))
    yield world
    world.close()


def move(world: World, to: str = BERLIN, **options: Any) -> MovedUser:
    return world.worker.zone_moves.run(str(world.user), to, **({"dry_run": False} | options))


def series(world: World, **fields: Any) -> ObjectId:
    return world.create(FIRST, "daily", **{"timezone": VANCOUVER, **fields})


def shown(world: World, head: ObjectId) -> list[tuple[object, ...]]:
    """Return, of each occurrence, its slot, when it is due, what its clock shows, and where."""
    return [(t["occurrenceNumber"], t["dueDate"], t["occurrenceAt"], t["timezone"]) for t in world.occurrences(head)]


def finish(world: World, head: ObjectId, slot: int) -> None:
    """Complete a slot, so that the next one is made."""
    task = world.occurrences_by_slot(head)[slot] if slot else head
    world.complete(task)
    world.add_event("complete", task)
    world.work()


def day(number: int, hour: int) -> Any:
    return utc(2026, 12, 10 + number, hour)


def told(world: World) -> list[Document]:
    return list(world.worker.mongo.activities.find({"action": "RECURRING_TASK_MOVED"}))


def is_edited(world: World, head: ObjectId, *, content: bool = False) -> bool:
    """Say whether a series looks like one that somebody edited."""
    series = world.worker.context.tasks.load([str(head)], ORIGINAL).series_of(str(head))
    assert series.original is not None
    assert series.memory is not None
    return revising.is_edited(series.original, series.memory, "UTC", content=content)


def sound(world: World) -> bool:
    return [result.name for result in world.worker.consistency.run() if result.count] == []


# The wall clock is kept


def test_open_tasks_move_and_later_slots_follow_at_the_same_time_of_day(world: World) -> None:
    head = series(world)

    done = move(world)

    assert (done.series, done.moved, dict(done.stays)) == (1, 4, {})
    assert shown(world, head) == [(n, day(n, 8), f"2026-12-{10 + n}T09:00", BERLIN) for n in (1, 2, 3)]
    assert not any(map(is_touched, world.occurrences(head)))
    original = world.task(head)
    assert (original["timezone"], original["dueDate"], original["originalDueDate"]) == (BERLIN, day(0, 8), FIRST)
    assert len(told(world)) == 4
    finish(world, head, 0)
    assert shown(world, head)[-1] == (4, day(4, 8), "2026-12-14T09:00", BERLIN)
    assert sound(world)


def test_what_somebody_edits_behind_a_move_is_seen(world: World) -> None:
    head = series(world)
    move(world)
    assert not is_edited(world, head, content=True)
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"title": "Call Ann"}})
    assert is_edited(world, head, content=True)
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"timezone": TORONTO}})
    assert is_edited(world, head)


def test_a_series_that_somebody_has_just_edited_stays_until_that_is_followed(world: World) -> None:
    head = series(world)
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"recurrence": {"horizon": 5}}})
    before = world.everything()
    assert dict(move(world).stays) == {"somebody edited the series, and the worker has not followed yet": 1}
    assert world.everything() == before


def test_users_are_told_from_when_to_when(world: World) -> None:
    head = series(world)
    move(world)
    (message,) = [a["message"] for a in told(world) if a["taskId"] == world.occurrences_by_slot(head)[1]]
    assert message.endswith(":: from 2026-12-11T16:00:00.000Z to 2026-12-11T08:00:00.000Z")


def test_a_dry_run_says_the_same_and_writes_nothing(world: World) -> None:
    series(world)
    before = world.everything()

    promised = move(world, dry_run=True).as_json()

    assert world.everything() == before
    done = move(world).as_json()
    assert [row["willBe"] for row in promised["tasks"]] == [row["willBe"] for row in done["tasks"]]
    assert (promised["series"], promised["moved"], promised["written"]) == (done["series"], done["moved"], False)


def test_done_touched_and_past_tasks_stay_where_they_are(world: World) -> None:
    head = series(world)
    finish(world, head, 0)
    slots = world.occurrences_by_slot(head)
    world.worker.mongo.tasks.update_one({"_id": slots[2]}, {"$set": {"title": "Call Ann"}})
    world.now = day(1, 20)
    before = {i: world.task(i) for i in (slots[1], slots[2])}

    done = move(world)

    assert (done.moved, dict(done.stays)) == (2, {"somebody changed the task, or an earlier version wrote it": 1})
    assert {i: world.task(i) for i in before} == before
    assert world.task(head)["dueDate"] == FIRST, "it is completed"
    assert [at for _, at, _, _ in shown(world, head)][2:] == [day(3, 8), day(4, 8)]


def test_run_again_nothing_is_left_to_do(world: World) -> None:
    series(world)
    move(world)
    before = world.everything()
    done = move(world)
    assert (done.series, done.moved) == (0, 0)
    assert world.everything() == before


@pytest.mark.parametrize("keep", Keep)
def test_beside_a_worker_that_goes_on_no_slot_is_made_twice_lost_or_left_behind(world: World, keep: Keep) -> None:
    heads = [series(world) for _ in range(6)]
    mover = world.open_worker()
    with ThreadPoolExecutor() as pool:
        moving = pool.submit(mover.zone_moves.run, str(world.user), TORONTO, keep=keep, dry_run=False)
        for slot in range(4):
            for head in heads:
                finish(world, head, slot)
        moving.result()
    mover.close()

    move(world, TORONTO, keep=keep)

    hour, wall = (16, "11:00") if keep is Keep.INSTANTS else (14, "09:00")
    for head in heads:
        ahead = [each for each in shown(world, head) if each[0] in range(4, 8)]
        assert ahead == [(n, day(n, hour), f"2026-12-{10 + n}T{wall}", TORONTO) for n in range(4, 8)]
        assert [each[0] for each in shown(world, head)] == list(range(1, 8))
    assert sound(world)


def test_there_and_back_again_everything_is_where_it_was(world: World) -> None:
    head = series(world)
    before = (shown(world, head), world.worker.mongo.series.find_one({"_id": head}), world.task(head)["dueDate"])
    move(world)
    move(world, VANCOUVER)
    after = (shown(world, head), world.worker.mongo.series.find_one({"_id": head}), world.task(head)["dueDate"])
    assert after == before


def test_only_the_series_of_that_user_and_of_that_zone_move(world: World) -> None:
    here, there, nowhere = series(world), series(world, timezone=TORONTO), series(world, timezone=None)
    others = series(world, userId=ObjectId())

    assert move(world, since=VANCOUVER).series == 1

    assert world.task(here)["timezone"] == BERLIN
    for head in (there, nowhere, others):
        assert world.task(head)["timezone"] != BERLIN
    assert move(world, since="UTC").series == 1, "without a zone of its own it is in RECURRENCE_TIMEZONE"
    assert world.task(nowhere)["timezone"] == BERLIN
    assert move(world).series == 1


def test_a_series_that_nothing_was_made_of_yet_stays(world: World) -> None:
    head = world.add_task(FIRST, "daily", timezone=VANCOUVER)
    done = move(world)
    assert (done.series, dict(done.stays)) == (
        0,
        {"nothing was made of the series yet: change the zone in the application": 1},
    )
    assert world.task(head)["timezone"] == VANCOUVER


def test_an_undo_of_a_law_does_not_take_a_user_back_halfway(world: World) -> None:
    series(world)
    done = move(world)
    assert world.worker.time_zones.undo(done.run or "", dry_run=False).moved == 0


@pytest.mark.parametrize("keep", Keep)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("work_between", [False, True], ids=["at once", "after the worker went on"])
def test_a_move_that_was_killed_after_any_write_is_completed_by_the_next(
    world: World, step: WriteStep, keep: Keep, *, work_between: bool
) -> None:
    """Whatever the worker made in between, each slot is there once, and each user told once."""
    head = series(world)
    world.crash_after = step
    try:
        move(world, TORONTO, keep=keep)
    except Crash:
        pass
    else:
        assert (step, keep) in {(WriteStep.ORIGINALS_MOVED, Keep.INSTANTS)}, "nothing to tell"
    assert not is_edited(world, head), "else the worker would follow the half of a move"
    if work_between:
        finish(world, head, 0)

    move(world, TORONTO, keep=keep)

    if not work_between:
        finish(world, head, 0)
    hour, wall = (16, "11:00") if keep is Keep.INSTANTS else (14, "09:00")
    assert shown(world, head) == [(n, day(n, hour), f"2026-12-{10 + n}T{wall}", TORONTO) for n in (1, 2, 3, 4)]
    assert world.task(head)["timezone"] == TORONTO
    times = [activity["taskId"] for activity in told(world)]
    assert len(times) == len(set(times))
    assert sound(world)


# The instants are kept


def test_clocks_show_another_time_and_later_slots_follow_it(world: World) -> None:
    head = series(world)

    done = move(world, TORONTO, keep=Keep.INSTANTS)

    assert (done.series, done.moved) == (1, 3)
    assert shown(world, head) == [(n, day(n, 16), f"2026-12-{10 + n}T11:00", TORONTO) for n in (1, 2, 3)]
    assert (world.task(head)["dueDate"], told(world)) == (FIRST, [])
    finish(world, head, 0)
    assert shown(world, head)[-1] == (4, day(4, 16), "2026-12-14T11:00", TORONTO)
    assert sound(world)


def test_run_again_the_instants_are_not_moved_twice(world: World) -> None:
    head = series(world)
    move(world, TORONTO, keep=Keep.INSTANTS)
    before = world.everything()
    move(world, TORONTO, keep=Keep.INSTANTS)
    assert world.everything() == before
    assert shown(world, head)[0][2] == "2026-12-11T11:00"


def test_a_daily_series_may_come_to_lie_on_another_day(world: World) -> None:
    head = series(world)
    move(world, "Asia/Tokyo", keep=Keep.INSTANTS)
    finish(world, head, 0)
    assert shown(world, head) == [(n, day(n, 16), f"2026-12-{11 + n}T01:00", "Asia/Tokyo") for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("rule", ["FREQ=WEEKLY;BYDAY=MO,WE,FR", "FREQ=MONTHLY;BYMONTHDAY=31"])
def test_a_series_whose_rule_names_other_days_stays(world: World, rule: str) -> None:
    head = world.create(FIRST, "custom", timezone=VANCOUVER, recurrence={"rule": rule})
    before = world.everything()
    done = move(world, "Asia/Tokyo", keep=Keep.INSTANTS)
    assert dict(done.stays) == {"in the new zone its slots would fall on days that its rule does not name": 1}
    assert world.everything() == before
    assert world.task(head)["timezone"] == VANCOUVER


def test_a_series_with_exceptions_by_its_clock_stays(world: World) -> None:
    series(world, recurrence={"excluded": ["2027-05-01T09:00"]})
    done = move(world, keep=Keep.INSTANTS)
    assert dict(done.stays) == {"its rule ends, pauses or has exceptions by the clocks of the zone it is in": 1}


def test_a_rare_rule_goes_on_from_its_cursor(world: World) -> None:
    """Its slots are counted from the last one: that stands on the new clock too."""
    rule = "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"
    head = world.create(FIRST, "custom", timezone=VANCOUVER, recurrence={"rule": rule})
    move(world, TORONTO, keep=Keep.INSTANTS)
    finish(world, head, 0)
    assert [at for _, _, at, _ in shown(world, head)] == [
        "2026-12-31T11:00",
        "2027-01-29T11:00",
        "2027-02-26T11:00",
        "2027-03-31T11:00",
    ]


def test_what_cannot_be_is_asked_wrongly(world: World) -> None:
    with pytest.raises(InvalidInput, match="zone: 'Mars/Base' is not an IANA time zone"):
        move(world, "Mars/Base")
    with pytest.raises(InvalidInput, match="from: 'Mars/Base' is not an IANA time zone"):
        move(world, since="Mars/Base")
    with pytest.raises(InvalidInput, match="user: 'ann' is not an id of 24 hex digits"):
        world.worker.zone_moves.run("ann", BERLIN)


def test_of_many_series_each_moves_once(world: World) -> None:
    heads = [world.add_task(FIRST, "daily", timezone=VANCOUVER) for _ in range(120)]
    for head in heads:
        world.add_event("create", head)
    world.work()
    assert move(world).series == 120
    assert {world.task(head)["timezone"] for head in heads} == {BERLIN}
    assert world.worker.mongo.tasks.count_documents({"timezone": VANCOUVER}) == 0
