"""What creations and completions come to: which slots are made, what is linked, what each event is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from recurrence_pipeline.domain.errors import InvalidRecurrence, NotAMember, WrongType
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.memory import recall
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Answer, NewActivity, Plan
from recurrence_pipeline.domain.planning import plan_batch
from recurrence_pipeline.domain.scan import TaskVersion
from recurrence_pipeline.domain.series_memory import Cursor, SeriesMemory
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.reconciliation.rules import Reason, request
from recurrence_pipeline_tests.domain.in_memory import (
    ALICE,
    BOB,
    CREATED,
    NOW,
    ORIGINAL,
    InMemoryTasks,
    a_running_series,
    an_id,
    an_original,
    complete,
    create,
    cursors,
    delete,
    new_days,
    new_slots,
    older,
    ours,
    refusal,
    series_of,
    utc,
    with_cursor,
)

SUB_TASK = replace(an_original(), parent_task_id=an_id(1))
"""A task that may not start a series."""


# A new series


def test_a_daily_standup_gets_its_next_three_days() -> None:
    event = create()
    plan = InMemoryTasks.of(an_original("daily")).plan(event)
    ids = tuple(occurrence_id(ORIGINAL, n) for n in (1, 2, 3))
    assert new_slots(plan) == [1, 2, 3]
    assert new_days(plan) == ["02-02", "02-03", "02-04"]
    assert tuple(new.id for new in plan.occurrences) == ids
    assert plan.activities == [NewActivity.of(Action.CREATED, ALICE, i) for i in ids]
    assert cursors(plan) == {ORIGINAL: (3, "daily")}
    assert plan.answers == {event.id: Answer(created=ids)}


def test_a_monthly_report_due_on_the_31st_gets_three_month_ends() -> None:
    plan = InMemoryTasks.of(an_original("monthly", utc(2024, 1, 31, 17))).plan(create())
    assert [new.due for new in plan.occurrences] == [utc(2024, 2, 29, 17), utc(2024, 3, 31, 17), utc(2024, 4, 30, 17)]


def test_the_task_s_own_zone_goes_before_the_zone_of_the_system() -> None:
    """09:00 in New York is 14:00 UTC before 2024-03-10 and 13:00 UTC after; Berlin moves three weeks later."""
    new_york = replace(an_original("daily", utc(2024, 3, 9, 14)), timezone="America/New_York")
    assert InMemoryTasks.of(new_york).plan(create(), timezone="Europe/Berlin").occurrences[0].due == utc(
        2024, 3, 10, 13
    )
    no_zone = replace(new_york, timezone=None)
    assert InMemoryTasks.of(no_zone).plan(create(), timezone="America/New_York").occurrences[0].due == utc(
        2024, 3, 10, 13
    )
    assert InMemoryTasks.of(no_zone).plan(create()).occurrences[0].due == utc(2024, 3, 10, 14)


def test_the_series_is_counted_from_the_original_due_date_where_the_due_date_has_moved() -> None:
    postponed = replace(an_original(), due_date=utc(2024, 2, 5, 9))
    assert new_days(InMemoryTasks.of(postponed).plan(create())) == ["02-02", "02-03", "02-04"]


def test_a_task_without_a_rule_is_done_with_at_once() -> None:
    event = create()
    plan = InMemoryTasks.of(an_original("none")).plan(event)
    assert plan == Plan(answers={event.id: Answer()}, series_of_event={event.id: ORIGINAL})


def test_a_series_of_nobody_is_made_without_a_word_to_anyone() -> None:
    plan = InMemoryTasks.of(replace(an_original(), user_id=None)).plan(create())
    assert new_slots(plan) == [1, 2, 3]
    assert plan.activities == []


@pytest.mark.parametrize("ask", [create, complete])
def test_a_series_without_occurrences_is_validated_whichever_event_asks(ask: Callable[[], TaskEvent]) -> None:
    assert str(refusal(InMemoryTasks.of(SUB_TASK).plan(ask()))) == "Sub-tasks cannot have recurring patterns"


def test_a_due_date_is_held_against_the_request_and_not_against_now() -> None:
    """Else a backlog processed late refuses good tasks."""
    due = CREATED - timedelta(hours=22)
    assert new_slots(InMemoryTasks.of(an_original(due=due)).plan(create(), now=NOW + timedelta(days=900))) == [1, 2, 3]
    late = InMemoryTasks.of(an_original(due=CREATED - timedelta(days=2))).plan(create())
    assert "more than 1 day in the past" in str(refusal(late))


def test_an_old_task_with_an_old_date_is_refused_when_it_is_made_recurring() -> None:
    """A typo in a date must not fill a list with the tasks of two years; the application's own check says the same."""
    asked = utc(2024, 6, 1)
    assert "in the past" in str(refusal(InMemoryTasks.of(an_original()).plan(create(created_at=asked), now=asked)))


def test_no_request_is_older_than_what_it_asks_for() -> None:
    """Else an event of a clock that is behind, or one whose createdAt is no date, lets any old date pass."""
    original = an_original(due=CREATED - timedelta(days=2))
    behind = create(created_at=CREATED - timedelta(days=900))
    assert "in the past" in str(refusal(InMemoryTasks.of(original).plan(behind)))


def test_the_change_that_reconciliation_found_is_the_request() -> None:
    original, now = an_original(), NOW + timedelta(days=300)
    soon = request(TaskVersion(original, CREATED), Reason.NEW, now)
    late = request(TaskVersion(original, utc(2024, 6, 1)), Reason.NEW, now)

    assert new_slots(InMemoryTasks.of(original).plan(soon, now=now)) == [1, 2, 3]
    assert "in the past" in str(refusal(InMemoryTasks.of(original).plan(late, now=now)))


def test_a_producer_whose_clock_is_ahead_makes_no_date_too_old() -> None:
    ahead = create(created_at=CREATED + timedelta(days=3650))
    assert new_slots(InMemoryTasks.of(an_original()).plan(ahead, now=CREATED)) == [1, 2, 3]


def test_a_series_that_was_completed_is_never_too_late() -> None:
    """An old series whose occurrences are gone goes on where its owner completes it."""
    late = complete(created_at=NOW)
    assert new_slots(InMemoryTasks.of(an_original()).plan(late)) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "world",
    [
        InMemoryTasks.of(with_cursor(SUB_TASK, 3)),
        InMemoryTasks.of(SUB_TASK, *(older(n, utc(2024, 2, 1 + n, 9)) for n in (1, 2, 3))),
        InMemoryTasks.of(SUB_TASK, ours(1), ours(2), ours(3)),
    ],
    ids=["every occurrence was deleted", "the previous worker's", "half made"],
)
def test_a_running_series_is_not_validated_again(world: InMemoryTasks) -> None:
    assert world.plan(create()).refusals == {}
    assert 4 in new_slots(world.plan(complete()))


def test_a_series_that_we_know_nothing_of_and_that_lost_its_date_is_refused_by_name() -> None:
    error = refusal(InMemoryTasks.of(an_original(due="tomorrow"), ours(1)).plan(create()))
    assert isinstance(error, InvalidRecurrence)
    assert (error.field, error.value) == ("originalDueDate", "tomorrow")


@pytest.mark.parametrize("now_due", ["tomorrow", None, utc(2024, 2, 11, 9)], ids=str)
def test_a_series_goes_on_from_the_date_it_began_with_wherever_that_was_moved(now_due: object) -> None:
    """Else its numbers stand for other days than they did, and the days between are on no slot."""
    world = a_running_series(completed=(0,))
    began = series_of(world.tasks[ORIGINAL], *(ours(n) for n in (1, 2, 3)))
    moved = replace(world.tasks[ORIGINAL], due_date=now_due, original_due_date=now_due)
    snapshot = Snapshot(world.tasks | {ORIGINAL: moved}, {ORIGINAL: replace(began, original=moved)})

    assert new_days(plan_batch([complete()], snapshot, now=NOW)) == ["02-05"]


def test_the_wall_clock_of_a_series_is_kept_when_the_law_of_time_changes() -> None:
    """An anchor that is read anew from its instant would be an hour off."""
    memory = SeriesMemory.begun(3, "daily", utc(2024, 2, 1, 9), "Europe/Berlin", utc(2024, 2, 1, 7))
    original = replace(an_original(due=utc(2024, 2, 1, 7), completed=True), timezone="Europe/Berlin")
    series = series_of(original, *(ours(n) for n in (1, 2, 3)), memory=memory)
    plan = plan_batch([complete()], Snapshot({ORIGINAL: original}, {ORIGINAL: series}), now=NOW)

    assert [new.due for new in plan.occurrences] == [utc(2024, 2, 5, 8)]


# Members


def test_a_task_of_another_user_is_no_member_and_its_event_is_refused() -> None:
    """Whoever can store a task could else make up to 1,000 tasks and activities in somebody's account."""
    theirs = replace(ours(900, completed=True), id=an_id(7), user_id=BOB)
    world = InMemoryTasks.of(*a_running_series().tasks.values(), theirs)

    error = refusal(world.plan(complete(theirs.id)))

    assert (type(error), str(error)) == (
        NotAMember,
        f"userId: {BOB} is not the user of {ORIGINAL}, which task {theirs.id} hangs on",
    )
    assert new_slots(world.plan(complete())) == [4], "nor does it count when its series is worked on"


@pytest.mark.parametrize("field", ["_id", "parentRecurringId", "parentTaskId", "userId"])
def test_a_task_with_an_id_of_another_type_is_refused_by_field_and_value(field: str) -> None:
    """Read as absent, an occurrence would be an original, and a deletion would delete nothing."""
    odd = replace(an_original(), user_id=None, odd_ids={field: 5})
    for plan in (InMemoryTasks.of(odd).plan(create()), InMemoryTasks.of(odd).plan_deletions(delete())):
        error = refusal(plan)
        assert (type(error), str(error)) == (WrongType, f"{field}: 5 is not an ObjectId")


def test_a_user_whose_id_is_stored_as_text_is_understood() -> None:
    assert new_slots(InMemoryTasks.of(replace(an_original(), odd_ids={"userId": ALICE})).plan(create())) == [1, 2, 3]


# What is left of a series that nothing is remembered of


@pytest.mark.parametrize(
    ("unfinished", "deleted", "cursor", "reached"),
    [
        (set(), [], None, Cursor(3, "daily")),
        ({an_id(1)}, [], None, None),
        ({an_id(1)}, [2, 5], None, Cursor(5, "daily")),
        (set(), [], Cursor(7, "daily"), Cursor(7, "daily")),
        (set(), [9], Cursor(7, "weekly"), Cursor(9, "weekly")),
    ],
)
def test_a_series_without_a_memory_is_as_far_as_what_is_left_of_it_shows(
    unfinished: set[str], deleted: list[int], cursor: Cursor | None, reached: Cursor | None
) -> None:
    """What an event made that has not come to its end shows nothing: the slots before it may still be owed."""
    members = [ours(n, by=an_id(1)) for n in (1, 3)]
    original = replace(an_original(), cursor=cursor)

    assert recall(original, members, unfinished=unfinished, deleted=deleted) == reached


def test_what_is_recalled_is_not_made_again_and_is_remembered_from_then_on() -> None:
    original = an_original()
    series = series_of(original, ours(1), ours(3), recalled=Cursor(3, "daily"))
    plan = plan_batch([create()], Snapshot({ORIGINAL: original}, {ORIGINAL: series}), now=NOW)

    assert (new_slots(plan), cursors(plan)) == ([], {ORIGINAL: (3, "daily")})
    assert plan.cursors[0].is_new


# Completions


def test_completing_the_original_adds_a_fourth_slot_behind_the_next_one() -> None:
    event = complete()
    plan = a_running_series().plan(event)
    assert new_slots(plan) == [4]
    assert plan.links == []
    assert plan.answers == {event.id: Answer((occurrence_id(ORIGINAL, 4),), occurrence_id(ORIGINAL, 1))}
    assert NewActivity.of(Action.UPDATED, ALICE, ORIGINAL) in plan.activities
    assert cursors(plan) == {ORIGINAL: (4, "daily")}


def test_the_flag_of_the_named_task_makes_no_difference() -> None:
    """An event may arrive before or after the application has stored the flag."""
    event = complete()
    assert a_running_series(completed=(0,)).plan(event).answers == a_running_series().plan(event).answers


def test_completing_an_occurrence_adds_one_more() -> None:
    event = complete(occurrence_id(ORIGINAL, 1))
    world = InMemoryTasks.of(with_cursor(an_original(completed=True), 4), *(ours(n) for n in (1, 2, 3, 4)))
    plan = world.plan(event)
    assert new_slots(plan) == [5]
    assert plan.answers[event.id].updated == occurrence_id(ORIGINAL, 2)
    assert plan.activities[0] == NewActivity.of(Action.UPDATED, ALICE, occurrence_id(ORIGINAL, 1))


def test_a_series_that_is_all_overdue_goes_on() -> None:
    """It is slots that count, not days: being late must not end a series."""
    event = complete(occurrence_id(ORIGINAL, 3))
    plan = a_running_series(completed=(0, 1, 2)).plan(event, now=NOW + timedelta(days=3650))
    assert new_slots(plan) == [4, 5, 6, 7]
    assert plan.answers[event.id].updated == occurrence_id(ORIGINAL, 4)


def test_completing_out_of_order_counts_from_the_highest_and_links_to_the_lowest_open_above() -> None:
    third, first = complete(occurrence_id(ORIGINAL, 3)), complete(occurrence_id(ORIGINAL, 1))
    plan = a_running_series().plan(third, first)
    assert new_slots(plan) == [4, 5, 6, 7]
    assert plan.answers[third.id].updated == occurrence_id(ORIGINAL, 4)
    assert plan.answers[first.id] == Answer(updated=occurrence_id(ORIGINAL, 2))


def test_a_task_completed_earlier_in_the_batch_is_not_the_next_one() -> None:
    """Its flag may not have been stored when the tasks were read."""
    first, original = complete(occurrence_id(ORIGINAL, 1)), complete()
    plan = a_running_series().plan(first, original)
    assert plan.answers[original.id].updated == occurrence_id(ORIGINAL, 2)


def test_the_next_one_is_never_a_completed_one() -> None:
    event = complete()
    plan = a_running_series(completed=(1, 2)).plan(event)
    assert plan.answers[event.id].updated == occurrence_id(ORIGINAL, 3)


def test_two_events_of_one_series_are_answered_in_the_order_they_were_created() -> None:
    early, late = complete(), complete()
    plan = a_running_series().plan(late, early)
    assert plan.answers[early.id].created == (occurrence_id(ORIGINAL, 4),)
    assert plan.answers[late.id] == Answer(updated=occurrence_id(ORIGINAL, 1))


def test_what_a_person_deleted_stays_deleted() -> None:
    world = InMemoryTasks.of(with_cursor(an_original(), 3), ours(3))
    plan = world.plan(create(), complete())
    assert new_slots(plan) == [4]


def test_a_completed_task_without_slot_or_date_moves_nothing() -> None:
    stray = replace(ours(1), id=an_id(5), occurrence_number=None)
    event = complete(stray.id)
    plan = InMemoryTasks.of(with_cursor(an_original(), 3), stray, ours(2)).plan(event)
    assert (plan.occurrences, plan.cursors, plan.answers) == ([], [], {event.id: Answer()})


@pytest.mark.parametrize("number", [1001, 10**30])
def test_a_slot_number_that_nobody_can_have_reached_is_refused(number: int) -> None:
    """Else one tampered field makes tasks without end."""
    world = InMemoryTasks.of(with_cursor(an_original(), 3), replace(ours(1), occurrence_number=number))
    error = refusal(world.plan(complete(ours(1).id)))
    assert isinstance(error, InvalidRecurrence)
    assert (error.field, error.value) == ("occurrenceNumber", number)


def test_a_completed_task_from_before_the_anchor_does_not_shorten_the_horizon() -> None:
    before = replace(older(1, utc(2024, 1, 20, 9)), is_completed=True)
    assert new_slots(InMemoryTasks.of(an_original(), before).plan(create())) == [1, 2, 3]


def test_a_slot_past_the_calendar_refuses_the_event_and_makes_none_of_the_others() -> None:
    original = an_original("monthly", utc(9999, 11, 30))
    error = refusal(InMemoryTasks.of(replace(original, created_at=utc(9999, 11, 1))).plan(create()))
    assert isinstance(error, InvalidRecurrence)
    assert error.field == "number"


# After a crash


def test_a_slot_that_is_there_already_is_told_again_and_not_made_again() -> None:
    """A worker died between inserting and moving the cursor."""
    event = create()
    plan = InMemoryTasks.of(an_original(), ours(1, by=event.id), ours(3, by=event.id)).plan(event)
    assert new_slots(plan) == [2]
    assert plan.answers[event.id].created == tuple(occurrence_id(ORIGINAL, n) for n in (1, 2, 3))
    assert len(plan.activities) == 3
    assert cursors(plan) == {ORIGINAL: (3, "daily")}


def test_what_another_event_made_is_told_by_that_event_alone() -> None:
    first, second = create(), create()
    plan = InMemoryTasks.of(an_original(), ours(1, by=first.id)).plan(second)
    assert plan.answers[second.id].created == (occurrence_id(ORIGINAL, 2), occurrence_id(ORIGINAL, 3))


def test_an_event_whose_worker_died_before_the_end_tells_what_it_made() -> None:
    """Only the outcome was missing: the cursor says that nothing is to be made, and the answer would be empty."""
    event = create()
    made = [ours(n, by=event.id) for n in (3, 2, 1)]
    plan = InMemoryTasks.of(with_cursor(an_original(), 3), *made).plan(event)
    assert plan.occurrences == []
    assert plan.answers[event.id].created == tuple(occurrence_id(ORIGINAL, n) for n in (1, 2, 3))


def test_our_own_tasks_never_move_a_missing_cursor() -> None:
    """Else the gap that a crash left between two inserts is never filled."""
    assert new_slots(InMemoryTasks.of(an_original(), ours(3)).plan(create())) == [1, 2]
