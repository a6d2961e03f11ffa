"""What hangs on what when a deletion is put back, and that the series then goes on as if it had never happened."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.calendar import slot
from recurrence_pipeline.domain.errors import RestoreRefused
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.restore import (
    DeletedTask,
    Deletion,
    NewOriginal,
    Restoration,
    plan_restoration,
    plan_restore,
)
from recurrence_pipeline.domain.series_memory import Cursor, SeriesMemory
from recurrence_pipeline_tests.domain.in_memory import (
    ALICE,
    BOB,
    ORIGINAL,
    InMemoryTasks,
    an_id,
    complete,
    new_slots,
    older,
    utc,
)

JAN_31 = utc(2024, 1, 31, 9)
NEW_YORK = "America/New_York"


def occurrence(
    number: int,
    anchor: datetime = JAN_31,
    repeat_type: str = "monthly",
    *,
    completed: bool = False,
    user: str = ALICE,
    zone: str | None = None,
) -> Task:
    """Return slot `number` of a series whose original is gone."""
    due = slot(anchor, repeat_type, number, zone)
    return Task(
        id=an_id(number),
        user_id=user,
        repeat_type=repeat_type,
        due_date=due,
        original_due_date=due,
        is_completed=completed,
        parent_recurring_id=ORIGINAL,
        timezone=zone,
        occurrence_number=number,
    )


def plan(*tasks: Task, standing: dict[tuple[str, str | None], str] | None = None) -> Restoration:
    return plan_restoration(tasks, standing or {}, {}, timezone="UTC")


def put_back(*tasks: Task) -> InMemoryTasks:
    """Return the tasks as they hang together then."""
    done = plan(*tasks)
    world = {}
    for task in tasks:
        new = done.originals.get(task.id)
        parent = done.parents[task.id]
        world[task.id] = replace(task, parent_recurring_id=parent) if new is None else promoted(task, new)
    return InMemoryTasks(world)


def promoted(task: Task, new: NewOriginal) -> Task:
    cursor = None if new.memory is None else Cursor(new.memory.number, new.memory.current.rule)
    return replace(task, parent_recurring_id=None, original_due_date=new.anchor, original_slot=new.slot, cursor=cursor)


def test_the_earliest_open_task_becomes_the_original_and_the_others_hang_on_it() -> None:
    done = plan(occurrence(4), occurrence(2), occurrence(3), occurrence(1, completed=True))

    memory = SeriesMemory.begun(4, "monthly", JAN_31, "UTC", JAN_31, original_slot=2)
    assert done.parents == dict.fromkeys(map(an_id, (1, 2, 3, 4)), an_id(2))
    assert done.originals == {an_id(2): NewOriginal(an_id(2), ORIGINAL, 2, JAN_31, memory)}


def test_where_none_is_open_the_earliest_of_all_does() -> None:
    done = plan(occurrence(2, completed=True), occurrence(1, completed=True))

    assert set(done.parents.values()) == {an_id(1)}


def test_an_original_that_stands_keeps_its_occurrences_and_none_is_made() -> None:
    done = plan(occurrence(1), occurrence(2), standing={(ORIGINAL, ALICE): ORIGINAL})

    assert done == Restoration({an_id(1): ORIGINAL, an_id(2): ORIGINAL})


def test_the_original_that_an_interrupted_restoration_has_put_back_stays_the_original() -> None:
    """Else its second half would hang on another original than the first."""
    done = plan(occurrence(1), occurrence(2), standing={(ORIGINAL, ALICE): an_id(2)})

    assert set(done.parents.values()) == {an_id(2)}
    assert set(done.originals) == {an_id(2)}


def test_two_users_under_one_original_become_two_series() -> None:
    """An occurrence copies the user of its original: one's task must not make tasks of the other's series."""
    done = plan(occurrence(1), occurrence(2, user=BOB), occurrence(3), occurrence(4, user=BOB))

    assert done.parents == {an_id(1): an_id(1), an_id(3): an_id(1), an_id(2): an_id(2), an_id(4): an_id(2)}


def test_several_series_of_one_deletion_stay_apart() -> None:
    others = "65920080" + "02" * 8
    done = plan(occurrence(1), replace(occurrence(2), parent_recurring_id=others))

    assert {new.replaces for new in done.originals.values()} == {ORIGINAL, others}


def test_a_task_that_hung_on_nothing_is_left_to_itself() -> None:
    assert plan(replace(occurrence(1), parent_recurring_id=None)) == Restoration()


def test_the_series_goes_on_where_it_was_and_does_not_drift_from_a_short_month() -> None:
    """The new original is due on Feb 29; what follows Apr 30 is May 31, as it would have been."""
    world = put_back(occurrence(1), occurrence(2), occurrence(3))

    made = world.plan(complete(an_id(1)))

    assert [(new.slot, new.due) for new in made.occurrences] == [(4, utc(2024, 5, 31, 9)), (5, utc(2024, 6, 30, 9))]
    assert made.answers[next(iter(made.answers))].updated == an_id(2)


def test_nothing_is_made_until_something_is_completed() -> None:
    world = put_back(occurrence(1, completed=True), occurrence(2), occurrence(3), occurrence(4), occurrence(5))

    (original,) = (task.id for task in world.tasks.values() if task.parent_recurring_id is None)
    assert new_slots(world.plan(complete(an_id(1)))) == []
    assert new_slots(world.plan(complete(original))) == [6]


def test_what_was_completed_counts() -> None:
    """Slots up to 3 ahead of the highest completed one are wanted, as before the deletion."""
    world = put_back(occurrence(1), occurrence(2, completed=True), occurrence(3))

    assert new_slots(world.plan(complete(an_id(2)))) == [4, 5, 6]


@pytest.mark.parametrize(
    ("anchor", "numbers", "found"),
    [
        (JAN_31, [1, 2, 3], JAN_31),
        (JAN_31, [2], JAN_31),
        (JAN_31, [1], utc(2024, 1, 29, 9)),  # Feb 29 alone cannot know
        (JAN_31, [1, 3], utc(2024, 1, 30, 9)),  # neither can Feb 29 and Apr 30
        (utc(2024, 4, 30, 9), [1, 2, 3], utc(2024, 4, 30, 9)),
        (utc(2023, 2, 28, 9), [1, 2], utc(2023, 2, 28, 9)),
    ],
)
def test_the_anchor_of_a_monthly_series_is_found_where_the_tasks_can_tell(
    anchor: datetime, numbers: list[int], found: datetime
) -> None:
    (new,) = plan(*(occurrence(n, anchor) for n in numbers)).originals.values()

    assert new.anchor == found


def test_a_task_that_a_gap_has_moved_does_not_move_the_anchor() -> None:
    """02:30 does not exist in New York on 2024-03-10."""
    anchor = utc(2024, 3, 8, 7, 30)
    (new,) = plan(*(occurrence(n, anchor, "daily", zone=NEW_YORK) for n in (2, 3, 4))).originals.values()

    assert new.anchor == anchor


def test_a_number_that_leads_out_of_the_calendar_costs_only_its_task() -> None:
    odd = replace(occurrence(1), id=an_id(99), occurrence_number=10**7)
    (new,) = plan(odd, occurrence(2), occurrence(3)).originals.values()

    assert new.anchor == JAN_31


def test_a_series_of_the_older_worker_is_counted_from_its_earliest_task() -> None:
    """It has no numbers, and its month ends had drifted already."""
    drifted = [
        replace(older(n, utc(2024, month, 29, 9), completed=month == 2), repeat_type="monthly")
        for n, month in enumerate((2, 3, 4), start=1)
    ]
    world = put_back(*drifted)

    made = world.plan(complete(an_id(2)))

    assert [(new.slot, new.due) for new in made.occurrences] == [
        (n, utc(2024, month, 29, 9)) for n, month in ((3, 5), (4, 6), (5, 7))
    ]


@pytest.mark.parametrize("odd", [{"repeat_type": "hourly"}, {"repeat_type": "none"}, {"timezone": "Mars/Base"}])
def test_tasks_of_a_rule_that_nobody_knows_are_put_back_without_an_anchor(odd: dict[str, str]) -> None:
    task = replace(occurrence(2), **odd)  # type: ignore[arg-type]
    (new,) = plan(task).originals.values()

    assert (new.anchor, new.slot) == (None, 2)


@pytest.mark.parametrize("number", [1, None])
def test_tasks_without_dates_are_put_back_behind_those_with_one(number: int | None) -> None:
    undated = replace(occurrence(1), due_date=None, original_due_date="soon", occurrence_number=number)
    done = plan(undated, occurrence(2))
    assert set(done.parents.values()) == {an_id(2)}

    (alone,) = plan(undated).originals.values()
    assert alone.anchor is None


@given(
    anchor=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda d: d.replace(microsecond=0)),  # noqa: DTZ001
    repeat_type=st.sampled_from(["daily", "weekly", "monthly"]),
    first=st.integers(1, 60),
    count=st.integers(2, 5),
    zone=st.sampled_from([None, NEW_YORK, "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_two_tasks_in_a_row_are_enough_for_the_slots_to_come_to_be_where_they_were(
    anchor: datetime, repeat_type: str, first: int, count: int, zone: str | None
) -> None:
    start = slot(anchor.replace(tzinfo=utc(2000, 1, 1).tzinfo), repeat_type, 0, zone)
    numbers = range(first, first + count)
    (new,) = plan(*(occurrence(n, start, repeat_type, zone=zone) for n in numbers)).originals.values()

    assert new.anchor is not None
    told = {slot(new.anchor, repeat_type, n, zone) for n in range(first, first + 30)}
    assert told == {slot(start, repeat_type, n, zone) for n in range(first, first + 30)}


# What may be put back


def a_deletion(*tasks: Task, back: tuple[int, ...] = (), **fields: Any) -> Deletion:
    """Return a cascade that took the tasks, those of the numbers in `back` put back before, and nothing there of it."""
    copies = tuple(DeletedTask(t, JAN_31, ALICE, "cascade", is_restored=t.occurrence_number in back) for t in tasks)
    found: dict[str, Any] = {"status": "completed", "there": set(), "differing": set(), "standing": {}, "memories": {}}
    return Deletion(an_id(0xD), copies, **found | fields)


def test_originals_come_first_then_occurrences_then_sub_tasks() -> None:
    subtask = replace(occurrence(7), parent_recurring_id=None, parent_task_id=an_id(2))

    found = plan_restore(a_deletion(occurrence(1), occurrence(2), subtask), again=False, timezone="UTC")

    assert (set(found.originals), found.occurrences, found.subtasks) == ({an_id(1)}, {an_id(2)}, {an_id(7): an_id(2)})
    assert found.marks == {an_id(1): an_id(1), an_id(2): an_id(1)}


def test_what_is_there_is_not_inserted_and_counts_as_back() -> None:
    deletion = a_deletion(occurrence(1), occurrence(2), there={an_id(1)}, standing={(ORIGINAL, ALICE): an_id(1)})

    found = plan_restore(deletion, again=False, timezone="UTC")

    assert (found.missing, found.done) == ({an_id(2)}, {an_id(1), an_id(2)})


@pytest.mark.parametrize(("again", "missing", "gone"), [(False, {2}, {1}), (True, {1, 2}, set())])
def test_what_was_put_back_and_went_comes_again_only_where_that_is_asked_for(
    *, again: bool, missing: set[int], gone: set[int]
) -> None:
    found = plan_restore(a_deletion(occurrence(1), occurrence(2), back=(1,)), again=again, timezone="UTC")

    assert (found.missing, found.gone) == (set(map(an_id, missing)), set(map(an_id, gone)))


@pytest.mark.parametrize(
    ("deletion", "why"),
    [
        (a_deletion(), "took nothing that is still kept"),
        (a_deletion(occurrence(1), status="processing"), "is not over: its event is processing"),
        (
            a_deletion(*map(occurrence, range(1, 8)), differing={an_id(n) for n in range(1, 8)}),
            f"7 of its tasks are there again and differ: {', '.join(map(an_id, range(1, 6)))} ...; nothing was",
        ),
    ],
)
def test_what_cannot_be_put_back_is_refused_as_a_whole(deletion: Deletion, why: str) -> None:
    with pytest.raises(RestoreRefused, match=re.escape(why)):
        plan_restore(deletion, again=False, timezone="UTC")
