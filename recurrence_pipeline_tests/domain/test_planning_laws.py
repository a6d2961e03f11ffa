"""Laws of planning: applied twice, in any order, twice over, crashed or from a stale reading, the same tasks result."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, given, note
from hypothesis import strategies as st

from recurrence_pipeline.domain.calendar import slot
from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.recurrence import read_recurrence
from recurrence_pipeline.domain.rules import REPEAT_TYPES
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.simulation.acts import change, delete_all, edit, reopen, skip
from recurrence_pipeline.simulation.acts import complete as complete_one
from recurrence_pipeline.simulation.acts import delete as delete_one
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline_tests.domain.in_memory import (
    ORIGINAL,
    InMemoryTasks,
    an_original,
    complete,
    create,
    delete,
    older,
    ours,
    utc,
)

ANCHOR = utc(2024, 1, 31, 9)
slots = st.sets(st.integers(1, 9), max_size=5)


RULES = (
    "FREQ=DAILY;INTERVAL=2",
    "FREQ=WEEKLY;BYDAY=MO,TH",
    "FREQ=MONTHLY;BYDAY=-1FR;INTERVAL=2",
    "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=DAILY;COUNT=12",
    "FREQ=WEEKLY;UNTIL=20240417",
)
"""Families that are indexed, rules that are counted, and two that end."""

dates = st.dates(min_value=ANCHOR.date() - timedelta(days=2), max_value=ANCHOR.date() + timedelta(days=20))


@st.composite
def options(draw: st.DrawFn) -> dict[str, object] | None:
    """Draw what an original may say besides its word: any rule, exceptions from it, and how far ahead it is kept."""
    if draw(st.booleans()):
        return None
    found: dict[str, object] = {"rule": draw(st.sampled_from(RULES))}
    if draw(st.booleans()):
        found["horizon"] = draw(st.integers(1, 5))
    for name, time in (("excluded", ""), ("added", draw(st.sampled_from(("", "T09:00", "T15:30"))))):
        if draw(st.booleans()):
            found[name] = [f"{each.isoformat()}{time}" for each in draw(st.lists(dates, max_size=4))]
    return found


@st.composite
def worlds(draw: st.DrawFn) -> InMemoryTasks:
    """Draw a series in any state: new, running, half made, the previous worker's, with gaps, twins and nested tasks."""
    said = draw(options())
    word = draw(st.sampled_from(sorted(REPEAT_TYPES))) if said is None else "custom"
    rule = read_recurrence(word, said).text
    numbered, unnumbered = draw(slots), draw(slots)
    tasks = [ours(number, completed=draw(st.booleans())) for number in sorted(numbered)]
    parents = [ORIGINAL]
    for number in sorted(unnumbered):
        task = older(number, slot(ANCHOR, rule, number), parent=draw(st.sampled_from(parents)))
        tasks.append(replace(task, is_completed=draw(st.booleans())))
        parents.append(task.id)
    original = replace(an_original(word, ANCHOR, completed=draw(st.booleans())), recurrence=said)
    reached = max(numbered | unnumbered, default=0)
    cursor = draw(st.none() | st.integers(reached, reached + 3).map(lambda number: Cursor(number, rule)))
    return InMemoryTasks.of(replace(original, cursor=cursor), *tasks)


@st.composite
def histories(draw: st.DrawFn) -> tuple[InMemoryTasks, list[TaskEvent]]:
    """Draw a world, and creations and completions that speak of its tasks."""
    world = draw(worlds())
    asks = st.tuples(st.sampled_from((create, complete)), st.sampled_from(sorted(world.tasks)))
    return world, [ask(task_id) for ask, task_id in draw(st.lists(asks, min_size=1, max_size=6))]


def slot_drawn(task: Task) -> int:
    """Return the slot that `worlds` put a task on: an older one's id ends in it."""
    if task.id == ORIGINAL:
        return 0
    return int(task.id[8:], 16) if task.occurrence_number is None else task.occurrence_number


def writes(plan: Plan) -> tuple[Sequence[object], ...]:
    return plan.occurrences, plan.links, plan.cursors, plan.removals


def after(world: InMemoryTasks, *plans: Plan) -> InMemoryTasks:
    copy = deepcopy(world)
    for plan in plans:
        copy.apply(plan)
    return copy


def generated(world: InMemoryTasks) -> dict[str, Task]:
    """Return the tasks without what depends on who asked when: what they hang on, and which event made them."""
    return {i: replace(task, parent_recurring_id=None, created_by_event=None) for i, task in world.tasks.items()}


@given(history=histories())
def test_a_plan_applied_leaves_nothing_to_plan(history: tuple[InMemoryTasks, list[TaskEvent]]) -> None:
    world, events = history
    once = after(world, world.plan(*events))
    again = once.plan(*events)
    assert writes(again) == ([], [], [], [])
    assert {activity.id for activity in again.activities} <= once.activities


@given(history=histories())
def test_applying_a_plan_twice_equals_applying_it_once(history: tuple[InMemoryTasks, list[TaskEvent]]) -> None:
    world, events = history
    plan = world.plan(*events)
    assert after(world, plan, plan) == after(world, plan)


@given(history=histories(), data=st.data())
def test_any_order_and_duplication_of_events_gives_the_same_tasks(
    history: tuple[InMemoryTasks, list[TaskEvent]], data: st.DataObject
) -> None:
    """Which task is the next one, and is linked, depends on when it is asked; which tasks there are does not."""
    world, events = history
    expected = after(world, world.plan(*events))
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=4))
    shuffled = data.draw(st.permutations([*events, *repeats]))
    size = data.draw(st.integers(1, len(shuffled)))
    found = deepcopy(world).work_off(*(shuffled[start : start + size] for start in range(0, len(shuffled), size)))
    assert generated(found) == generated(expected)


APART = (
    (complete_one, reopen, edit, change, delete_one, delete_all),
    (complete_one, reopen, skip, change, delete_one, delete_all),
)
"""What people do, before workers hear of any of it: edits in one history, slots that are not wanted in another."""


@st.composite
def changed_series(draw: st.DrawFn) -> History:
    """Draw a series that has run for a while, and of which people changed much since: its queue has what they told."""
    history = History(draw(st.integers(0, 1_000_000), label="seed"))
    history.changes_come = True
    acts = draw(st.sampled_from(APART))
    history.begin()
    for act in draw(st.lists(st.sampled_from(acts), max_size=2)):
        act(history)
    list(history.drain())
    for act in draw(st.lists(st.sampled_from(acts), min_size=1, max_size=5)):
        act(history)
    return history


def seen(history: History, batches: Sequence[Sequence[TaskEvent]]) -> list[tuple[object, ...]]:
    """Return what a person sees once workers processed the events in batches, and what reconciliation finds."""
    after_all = deepcopy(history)
    for batch in batches:
        after_all.now = history.now  # however many batches there are
        after_all.queue = list(batch)
        after_all.process([batch], dies=False)
    after_all.now = history.now
    list(after_all.drain())
    is_edited = any(event.operation is Operation.UPDATE for event in history.queue)
    tasks = [t for t in after_all.store.tasks.values() if not (is_edited and _is_added_ahead(t))]
    return sorted((str(t.due_date), t.title, t.is_completed, bool(t.is_touched)) for t in tasks)


def _is_added_ahead(task: Task) -> bool:
    is_added = task.occurrence_number is None and task.occurrence_at is not None
    return is_added and not task.is_completed and not task.is_touched


@given(history=changed_series(), data=st.data())
def test_any_order_and_repetition_of_all_that_can_be_told_ends_in_what_a_person_sees(
    history: History, data: st.DataObject
) -> None:
    """What the application wrote is there before any of it is heard of. Dates, titles and states are then the same.

    Not so, and meant so: the numbers and ids of what a new rule makes, for they lie behind all that were given; which
    of a skip and its taking back comes last, and which slot a task is on that a skip names beside an edit, so that
    neither pair is told here at once; a deletion of what hangs on an original that stays: it takes what is there; and,
    where an edit moves the slots before them, how far ahead added dates are made: one that was made stays.
    """
    events = list(history.queue)
    note(str(events))
    assume(len({event.slot for event in events if event.operation is Operation.UPDATE}) <= 1)
    expected = seen(history, [events])
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=3)) if events else []
    shuffled = data.draw(st.permutations([*events, *repeats]))
    size = data.draw(st.integers(1, max(len(shuffled), 1)))
    found = seen(history, [shuffled[start : start + size] for start in range(0, len(shuffled), size)])
    assert found == expected


@given(history=histories(), data=st.data())
def test_each_occurrence_is_told_of_by_the_event_that_made_it_and_by_no_other(
    history: tuple[InMemoryTasks, list[TaskEvent]], data: st.DataObject
) -> None:
    """So that the occurrences that all events together created are as many as there are."""
    world, events = history
    before = set(world.tasks)
    told: list[str] = []
    for event in data.draw(st.permutations(events)):
        told += world.apply(world.plan(event)).answers[event.id].created
    assert sorted(told) == sorted(set(world.tasks) - before)


@given(history=histories(), data=st.data())
def test_two_workers_that_read_the_same_moment_end_in_the_tasks_of_one(
    history: tuple[InMemoryTasks, list[TaskEvent]], data: st.DataObject
) -> None:
    world, events = history
    cut = data.draw(st.integers(0, len(events)))
    one, two = world.plan(*events[:cut]), world.plan(*events[cut:])
    expected = generated(after(world, world.plan(*events)))
    assert generated(after(world, one, two)) == expected
    assert generated(after(world, two, one)) == expected


@given(history=histories(), data=st.data())
def test_a_crash_among_the_inserts_loses_no_slot_and_makes_none_twice(
    history: tuple[InMemoryTasks, list[TaskEvent]], data: st.DataObject
) -> None:
    world, events = history
    plan = world.plan(*events)
    lasted = data.draw(st.sets(st.sampled_from([new.id for new in plan.occurrences]))) if plan.occurrences else set()
    crashed = after(world, Plan(occurrences=[new for new in plan.occurrences if new.id in lasted]))
    resumed = crashed.plan(*events)
    assert after(crashed, resumed) == after(world, plan)
    assert resumed.answers == plan.answers


@given(history=histories())
def test_three_slots_stay_ahead_of_the_highest_completed_one(history: tuple[InMemoryTasks, list[TaskEvent]]) -> None:
    """Whatever was there before, the cursor ends at least three past the slot after the last completed one."""
    world, events = history
    assume(world.tasks[ORIGINAL].recurrence is None)
    completed = {event.task_id for event in events if event.operation is Operation.COMPLETE}
    done = [slot_drawn(task) for task in world.tasks.values() if task.is_completed or task.id in completed]
    cursor = after(world, world.plan(*events)).tasks[ORIGINAL].cursor
    assert cursor is not None
    assert cursor.number >= max([-1, *done]) + 1 + 3


@given(history=histories())
def test_what_a_cascade_deleted_never_comes_back(history: tuple[InMemoryTasks, list[TaskEvent]]) -> None:
    world, events = history
    deletion = world.plan_deletions(delete())
    deleted = {task_id for removal in deletion.removals for task_id in removal.task_ids}
    left = after(world, deletion)
    asked = [event for event in events if event.task_id in left.tasks]
    assert deleted.isdisjoint(left.work_off(asked, asked).tasks)
