"""What was never queued, and the walks that find it: laws on tasks in memory, in the order an index would have them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.scan import HIGHEST, KeysetPosition, TaskVersion
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.domain.validation import creation_time
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.reconciliation.rules import (
    OVERLAP,
    START,
    TOLD_WITHIN,
    Looking,
    Reason,
    ScanState,
    is_suspect,
    may_have_begun_since,
    reason_to_ask,
    request,
)
from recurrence_pipeline_tests.domain.in_memory import (
    BOB,
    CREATED,
    NOW,
    ORIGINAL,
    InMemoryTasks,
    an_event,
    an_id,
    an_original,
    older,
    ours,
    series_of,
    utc,
    with_cursor,
)

# The walks

STRIDES = 20
"""A stretch of a year without a task is passed in so many pieces at most: each is 4 times as wide as the one before."""

moments = st.none() | st.datetimes(datetime(2023, 12, 1), datetime(2024, 5, 1)).map(  # noqa: DTZ001
    lambda at: utc(at.year, at.month, at.day, at.hour, at.minute)
)
bulks = st.tuples(moments, st.integers(1, 12))
"""Tasks come alone, or many with one and the same time."""


def stored(groups: list[tuple[datetime | None, int]]) -> list[KeysetPosition]:
    """Return the places of tasks in the order of the index: null before dates."""
    times = [time for time, count in groups for _ in range(count)]
    places = [KeysetPosition(time, an_id(number)) for number, time in enumerate(times, start=1)]
    return sorted(places, key=order)


def order(place: KeysetPosition) -> tuple[bool, datetime, str]:
    return (place.time is not None, place.time or CREATED, place.id)


def after(
    tasks: list[KeysetPosition], place: KeysetPosition, until: datetime | None, limit: int
) -> list[KeysetPosition]:
    """Read as storage/task_changes.py does: those without a date, or those with one."""
    behind = [task for task in tasks if order(task) > order(place) and (task.time is None) is (place.time is None)]
    return [task for task in behind if until is None or task.time is None or task.time <= until][:limit]


def sweep(tasks: list[KeysetPosition], position: ScanState, limit: int) -> list[list[KeysetPosition]]:
    """Return the pieces of two rounds, the second of which knows where the first began; it comes by the same."""
    first, position = one_round(tasks, position, limit)
    second, _ = one_round(tasks, position, limit)
    assert [place for piece in second for place in piece] == [place for piece in first for place in piece]
    return max(first, second, key=len)


def one_round(
    tasks: list[KeysetPosition], position: ScanState, limit: int
) -> tuple[list[list[KeysetPosition]], ScanState]:
    pieces = []
    while True:
        pieces.append(after(tasks, position.sweep, position.sweep_until(NOW), limit))
        position = position.after_sweep(pieces[-1], limit, NOW)
        position = ScanState.parse(position.text(), NOW)
        if position.sweep == START:
            return pieces, position


@given(st.lists(bulks, max_size=15), st.integers(1, 20))
@example([(None, 3), (CREATED, 12), (utc(2199, 1, 1), 2)], 3)
def test_a_sweep_comes_by_every_task_once_in_pieces_of_the_given_size(
    groups: list[tuple[datetime | None, int]], limit: int
) -> None:
    tasks = stored(groups)
    pieces = sweep(tasks, ScanState.beginning(NOW), limit)

    assert [place for piece in pieces for place in piece] == tasks
    assert max(map(len, pieces)) <= limit
    assert len(pieces) <= STRIDES * (len(groups) + 1) + len(tasks)


def test_a_piece_that_was_read_full_makes_the_next_one_end_in_time() -> None:
    """A server that sorts only what it has read as a whole would read all the rest of the collection at each step."""
    tasks = stored([(CREATED + timedelta(minutes=n), 1) for n in range(100)])
    position = ScanState(KeysetPosition.before(NOW), sweep=KeysetPosition.before(CREATED))
    position = position.after_sweep(after(tasks, position.sweep, None, 10), 10, NOW)

    assert position.sweep_until(NOW) == CREATED + timedelta(minutes=9 + 18)


@pytest.mark.parametrize("a_month_between", [False, True])
def test_no_piece_of_a_later_round_makes_a_server_read_much_more_than_it_gives(a_month_between: bool) -> None:  # noqa: FBT001 - a fact
    """A round that began with all dates would have such a server read the whole collection once in each."""
    minutes = [minute + (30 * 24 * 60 if a_month_between and minute > 500 else 0) for minute in range(2000)]
    tasks = stored([(CREATED + timedelta(minutes=minute), 1) for minute in minutes])
    position, limit = ScanState.beginning(NOW), 20
    while position.begins is None:
        piece = after(tasks, position.sweep, position.sweep_until(NOW), limit)
        position = position.after_sweep(piece, limit, NOW)

    came_by: list[KeysetPosition] = []
    read = []
    while position.sweep != START or not came_by:
        read.append(len(after(tasks, position.sweep, position.sweep_until(NOW), len(tasks))))
        piece = after(tasks, position.sweep, position.sweep_until(NOW), limit)
        position = position.after_sweep(piece, limit, NOW)
        came_by += piece

    assert came_by == tasks
    assert sorted(read)[-2] <= 8 * limit, "but for the one that comes upon many after a month without any"
    assert a_month_between or max(read) <= 8 * limit


def test_what_is_dated_back_before_a_round_began_is_seen_in_the_next() -> None:
    tasks = stored([(CREATED + timedelta(minutes=minute), 1) for minute in range(100)])
    position = replace(ScanState.beginning(NOW), begins=CREATED)
    older = [KeysetPosition(CREATED - timedelta(days=days), an_id(900 + days)) for days in range(30, 0, -1)]
    assert [place for piece in sweep([*older, *tasks], position, 20) for place in piece] == [*older, *tasks]


def test_the_recent_walk_sees_each_change_at_the_next_look() -> None:
    position = ScanState.beginning(NOW)
    for minute in range(10):
        now = NOW + timedelta(minutes=minute)
        changed = stored([(now - timedelta(seconds=5), 1)])
        seen = after(changed, position.recent, position.recent_until(now), 10)
        assert seen == changed
        position = position.after_recent(seen, 10, now)


@pytest.mark.parametrize("late", [timedelta(0), OVERLAP], ids=["at once", "as late as the overlap"])
def test_a_change_written_late_is_still_seen(late: timedelta) -> None:
    position = ScanState.beginning(NOW).after_recent([], 10, NOW)
    assert after(stored([(NOW - late, 1)]), position.recent, position.recent_until(NOW), 10)


def test_a_task_dated_a_little_ahead_is_seen_at_once() -> None:
    position = ScanState.beginning(NOW)
    assert after(stored([(NOW + OVERLAP, 1)]), position.recent, position.recent_until(NOW), 10)


@given(st.integers(1, 60), st.integers(1, 7))
def test_a_crowd_of_changes_is_worked_through_without_a_gap(count: int, limit: int) -> None:
    """Also where all have the same time: only the id tells them apart."""
    tasks = stored([(NOW - timedelta(minutes=30), count)])
    position = ScanState(KeysetPosition.before(NOW - timedelta(hours=1)))
    seen: list[KeysetPosition] = []
    for _ in range(count // limit + 1):
        piece = after(tasks, position.recent, position.recent_until(NOW), limit)
        position = position.after_recent(piece, limit, NOW)
        seen += piece
    assert seen == tasks


def test_a_crowd_dated_ahead_does_not_take_the_recent_walk_past_the_present() -> None:
    ahead = stored([(NOW + timedelta(seconds=30), 5)])
    assert ScanState.beginning(NOW).after_recent(ahead, 5, NOW).recent == KeysetPosition.before(NOW)


@pytest.mark.parametrize(
    "text",
    [
        None, "", "nonsense", "[]", "{}", "null", '{"recent": [], "sweep": [], "width": null}',
        '{"recent": ["2024-01-01T00:00:00", "' + HIGHEST + '"], "sweep": [null, "' + HIGHEST + '"], "width": null}',
        '{"recent": ["2024-01-01T00:00:00+00:00", "ff"], "sweep": [null, "' + HIGHEST + '"], "width": null}',
        '{"recent": ["2024-01-01T00:00:00+00:00", 7], "sweep": [null, "' + HIGHEST + '"], "width": "wide"}',
    ],
)  # fmt: skip
def test_what_is_no_position_is_a_new_beginning(text: str | None) -> None:
    assert ScanState.parse(text, NOW) == ScanState.beginning(NOW)


def test_a_position_kept_by_an_earlier_version_goes_on() -> None:
    kept = f'{{"recent": ["2024-01-01T00:00:00+00:00", "{HIGHEST}"], "sweep": [null, "{HIGHEST}"], "width": null}}'
    assert ScanState.parse(kept, NOW) == ScanState(
        KeysetPosition(utc(2024, 1, 1), HIGHEST), KeysetPosition(None, HIGHEST)
    )


def test_a_position_of_a_clock_that_ran_ahead_does_not_keep_the_recent_walk_waiting() -> None:
    ahead = replace(ScanState.beginning(NOW + timedelta(days=1)), sweep=KeysetPosition(CREATED, an_id(1)))
    parsed = ScanState.parse(ahead.text(), NOW)
    assert (parsed.recent, parsed.sweep) == (ScanState.beginning(NOW).recent, ahead.sweep)


@given(moments, st.none() | st.timedeltas(timedelta(0), timedelta(days=9999)), moments, moments)
def test_a_position_survives_being_text(
    time: datetime | None, width: timedelta | None, begins: datetime | None, first: datetime | None
) -> None:
    position = ScanState(KeysetPosition.before(NOW), KeysetPosition(time, an_id(7)), width, begins, first)
    assert ScanState.parse(position.text(), NOW) == position


# What is asked for


def reason(
    task: Task, original: Task | None, watermark: datetime | None = None, *, began_since: bool = False
) -> Reason | None:
    if not is_suspect(task):
        return None
    series = Series(ORIGINAL, None) if original is None else series_of(original)
    return reason_to_ask(TaskVersion(task, NOW), series, Looking(watermark, None, NOW), began_since=began_since)


def test_an_original_without_a_cursor_is_new() -> None:
    original = an_original()
    assert reason(original, original) is Reason.NEW


def test_a_task_that_repeats_never_and_an_open_task_of_a_running_series_are_not_asked_for() -> None:
    never = an_original("none", completed=True)
    running = with_cursor(an_original(), 3)
    assert reason(never, never) is None
    assert reason(running, running) is None
    assert reason(ours(1), running) is None
    assert reason(ours(1, completed=True), replace(never, id=ORIGINAL)) is None


def test_a_completed_task_is_asked_for_until_its_series_reaches_4_further() -> None:
    """The rule is the planner's own: 3 behind the next one."""
    for slot in range(6):
        for cursor in range(12):
            original = with_cursor(an_original(completed=slot == 0), cursor)
            task = ours(slot, completed=True) if slot else original
            expected = Reason.BEHIND if cursor < slot + 4 else None
            assert reason(task, original) is expected, (slot, cursor)


@given(st.lists(st.integers(0, 6), max_size=6), st.integers(0, 8))
def test_what_is_asked_for_is_what_the_planner_finds_something_to_do_for(completed: list[int], cursor: int) -> None:
    """An event for a series that is not behind would be written for nothing, and one too few loses a task's future."""
    original = with_cursor(an_original(completed=0 in completed), cursor)
    world = InMemoryTasks.of(original, *(ours(n, completed=n in completed) for n in range(1, cursor + 1)))
    tasks = list(world.tasks.values())
    asked = [task for task in tasks if reason(task, original) is not None]
    events = [an_event(Operation.COMPLETE, task.id) for task in tasks if task.is_completed]

    assert bool(asked) is bool(world.plan(*events).occurrences)
    world.apply(world.plan(*(request(TaskVersion(t, NOW), Reason.BEHIND, NOW) for t in asked)))
    grown = world.tasks[ORIGINAL]
    assert [task.id for task in world.tasks.values() if reason(task, grown) is not None] == []


def test_a_series_whose_original_is_gone_is_left_to_the_cleanup() -> None:
    assert reason(ours(2, completed=True), None) is None


def test_a_running_series_that_was_spoiled_is_left_alone() -> None:
    """All that was ever completed in it would be asked for, and refused, task by task."""
    original = with_cursor(an_original(), 3)
    series = replace(series_of(original), original=replace(original, repeat_type="hourly"))
    assert _reason(ours(2, completed=True), series, NOW) is None
    assert _reason(series.original or original, series, NOW) is None


def test_an_edited_original_is_asked_for_once_it_might_have_been_told_of() -> None:
    original = with_cursor(an_original(), 3)
    edited = replace(original, repeat_type="weekly")
    series = replace(series_of(original), original=edited)
    assert _reason(edited, series, NOW - TOLD_WITHIN + timedelta(seconds=1)) is None
    assert _reason(edited, series, NOW - TOLD_WITHIN) is Reason.EDITED
    assert _reason(ours(1), series, NOW - TOLD_WITHIN) is None
    asked = request(TaskVersion(edited, NOW), Reason.EDITED, NOW)
    assert asked.operation is Operation.UPDATE


def _reason(task: Task, series: Series, changed_at: datetime) -> Reason | None:
    return reason_to_ask(TaskVersion(task, changed_at), series, Looking(None, None, NOW), began_since=False)


def test_a_series_that_was_created_before_the_watermark_is_left_alone() -> None:
    original = an_original()
    task = older(5, utc(2024, 2, 2, 9), completed=True)
    later = CREATED + timedelta(milliseconds=1)

    assert reason(original, original, later) is None
    assert reason(task, original, later) is None
    assert reason(original, original, CREATED) is Reason.NEW
    assert reason(task, original, CREATED) is Reason.BEHIND


def test_a_series_from_before_the_watermark_is_followed_once_an_event_has_asked_for_it() -> None:
    """Its past is settled then. Else the checks call it behind, and nothing ever repairs that."""
    task = older(5, utc(2024, 2, 2, 9), completed=True)
    known = with_cursor(an_original(), 3)

    assert reason(task, known, CREATED + timedelta(milliseconds=1)) is Reason.BEHIND


def test_a_task_from_before_the_watermark_that_was_made_recurring_since_is_new() -> None:
    task, later = an_original(), CREATED + timedelta(days=1)

    assert may_have_begun_since(TaskVersion(task, later), later)
    assert reason(task, task, later, began_since=True) is Reason.NEW


@pytest.mark.parametrize("changed", [None, CREATED, CREATED + timedelta(hours=23)])
def test_what_was_not_changed_since_the_watermark_did_not_begin_since(changed: datetime | None) -> None:
    assert not may_have_begun_since(TaskVersion(an_original(), changed), CREATED + timedelta(days=1))


def test_a_completed_task_of_another_user_says_nothing_about_a_series() -> None:
    """It could make up to 1,000 tasks in somebody's account."""
    far = replace(ours(900, completed=True), user_id=BOB)

    assert reason(far, with_cursor(an_original(), 3)) is None


def test_a_task_of_which_an_id_cannot_be_told_is_not_asked_for() -> None:
    odd = replace(an_original(), odd_ids={"parentRecurringId": ORIGINAL})

    assert reason(odd, odd) is None
    assert reason(ours(2, completed=True), with_cursor(odd, 3)) is None


def test_where_nothing_says_when_a_task_was_created_its_id_does() -> None:
    original = replace(an_original(), created_at=None)
    made = creation_time(original)
    assert reason(original, original, made) is Reason.NEW
    assert reason(original, original, made + timedelta(seconds=1)) is None


# The events


def test_the_same_change_is_asked_for_under_the_same_id_and_another_under_another() -> None:
    task = an_original()
    first = request(TaskVersion(task, CREATED), Reason.NEW, NOW)
    assert (first.task_id, first.operation, first.source) == (task.id, Operation.CREATE, Source.RECONCILE)
    assert first.created_at == NOW
    assert request(TaskVersion(task, CREATED), Reason.NEW, NOW + timedelta(days=1)).id == first.id
    others = [
        request(TaskVersion(task, CREATED + timedelta(milliseconds=1)), Reason.NEW, NOW),
        request(TaskVersion(task, CREATED), Reason.BEHIND, NOW),
        request(TaskVersion(replace(task, id=an_id(9)), CREATED), Reason.NEW, NOW),
    ]
    assert len({first.id, *(event.id for event in others)}) == 4


@pytest.mark.parametrize("changed", [utc(1, 1, 1), utc(1969, 12, 31), CREATED, utc(9999, 12, 31)], ids=str)
def test_the_time_in_the_id_is_that_of_the_change_as_far_as_an_id_can_hold_it(changed: datetime) -> None:
    event = request(TaskVersion(an_original(), changed), Reason.NEW, NOW)
    assert len(event.id) == 24
    assert int(event.id[:8], 16) == min(max(int(changed.timestamp()), 0), 2**32 - 1)


def test_a_change_without_a_date_is_dated_by_the_creation() -> None:
    task = an_original()
    assert (
        request(TaskVersion(task, None), Reason.NEW, NOW).id == request(TaskVersion(task, CREATED), Reason.NEW, NOW).id
    )


def test_a_completed_task_is_asked_for_as_completed() -> None:
    task = ours(2, completed=True)
    assert request(TaskVersion(task, CREATED), Reason.BEHIND, NOW).operation is Operation.COMPLETE
    assert task.id == occurrence_id(ORIGINAL, 2)
    assert with_cursor(an_original(), 1).cursor == Cursor(1, "daily")
