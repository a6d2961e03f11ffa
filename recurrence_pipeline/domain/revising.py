"""How an edited original becomes a new revision of its series: from which slot on, and where the first one lies. Pure.

The new rule counts from the date of the original, as if the series had always been so, and begins with the first slot
that is neither done nor past: what was before it stays as it is. Its slots have numbers behind all that were given.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.instances import instances, require_instance
from recurrence_pipeline.domain.memory import anchor_of_memory, digest_of
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.reach import MAX_NEW_PER_SERIES
from recurrence_pipeline.domain.recurrence import CUSTOM, NONE, Recurrence, is_same_rule, read_recurrence, read_rule
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import Revision, SeriesMemory
from recurrence_pipeline.domain.slot_line import Slot
from recurrence_pipeline.domain.zones import time_zone, wall_clock

MAX_REVISIONS = 50
"""How many rules of a series are remembered; slots of older ones are known from their tasks alone."""


def is_edited(original: Task, memory: SeriesMemory, timezone: str | None, *, content: bool = False) -> bool:
    """Say whether an original says something else of its rule and options, or `content` too, than is followed.

    Raises:
        InvalidRecurrence: what it says cannot be.
    """
    asked = read_recurrence(original.repeat_type, original.recurrence)
    if memory.current.rule == NONE or not is_same_rule(memory.current.rule, asked):
        return True
    if memory.followed is None:
        return False
    now, before = digest_of(original, original.timezone or timezone), memory.followed
    return now != before if content else now.partition(".")[0] != before.partition(".")[0]


def revised(
    state: SeriesState, *, now: datetime, from_slot: int | None, zone: str, follow_date: bool, open_stays: bool = False
) -> Revision | None:
    """Return the revision that an edit comes to; None where slots stay where they are.

    `from_slot` is the first one to change, if that is later than the first that can; `zone` that of the original now.
    With `follow_date` the rule counts from where the original's date was moved to. From completion the open task is
    counted anew, unless `open_stays`: a person touched it.

    Raises:
        InvalidRecurrence: the new rule has no day, or `from_slot` does not exist.
    """
    original, memory = state.original, state.memory
    asked = read_recurrence(original.repeat_type, original.recurrence)
    if memory is None:
        return None
    current = memory.current
    is_moved = (
        follow_date and isinstance(original.anchor, datetime) and current.anchored_at not in {None, original.anchor}
    )
    is_same = current.rule != NONE and is_same_rule(current.rule, asked)
    if is_same and not is_moved and zone == current.timezone and asked.from_completion == current.from_completion:
        return None
    anchor, anchored_at = _anchor(original, memory, zone, is_moved=is_moved)
    replaces = _first_to_change(state, now, from_slot, one_stays=asked.from_completion and open_stays)
    first = max(_behind_all_given(state), replaces)
    revision = Revision(asked.text, anchor, zone, anchored_at, first, replaces, from_completion=asked.from_completion)
    if asked.from_completion:
        return revision
    require_instance(asked.rule, anchor)
    taken = None
    if not state.is_stopped:
        named = replaces == from_slot
        taken = _due(state.timed(replaces, 1), replaces) if named else _time_taken(state, replaces)
    return replace(revision, start=_start(state, asked, revision, taken, now))


def remembering(state: SeriesState, memory: SeriesMemory, revision: Revision | None, followed: str) -> SeriesMemory:
    """Return the memory of a series whose edit is followed; of a rule that is the same, the end may be another."""
    if revision is None:
        current = replace(memory.current, rule=state.recurrence.text)
        return replace(memory, revisions=(*memory.revisions[:-1], current), followed=followed)
    passed = frozenset(number for number in state.passed if number < revision.replaces)
    return replace(memory, revisions=_with(memory, revision), passed=passed, followed=followed)


def stopped(series: Series, original: Task, memory: SeriesMemory, going: Iterable[int], now: datetime) -> SeriesMemory:
    """Return the memory of a series that does not recur any more: from the first slot to come on, or that goes."""
    rule, zone = str(read_rule(memory.current.rule).rule), memory.current.timezone
    as_before = replace(original, repeat_type=CUSTOM, recurrence={"rule": rule}, timezone=zone)
    state = SeriesState(series, as_before, None, now=now)
    first = max(memory.number + 1, memory.current.first)
    replaces = min([memory.number + 1, *going, _first_to_change(state, now, None)])
    end = replace(memory.current, rule=NONE, first=first, replaces=replaces, start=None)
    return replace(memory, revisions=_with(memory, end), followed=None)


def _with(memory: SeriesMemory, revision: Revision) -> tuple[Revision, ...]:
    """Return the revisions with one more; where they are too many, without those that have no slot any more."""
    if len(memory.revisions) < MAX_REVISIONS:
        return (*memory.revisions, revision)
    kept = list[Revision]()
    for each in (*memory.revisions, revision):
        replaces = each.replaces
        while kept and replaces <= kept[-1].first:
            replaces = min(replaces, kept.pop().replaces)
        kept.append(replace(each, replaces=replaces))
    return tuple(kept[-MAX_REVISIONS:])


def _anchor(original: Task, memory: SeriesMemory, zone: str, *, is_moved: bool) -> tuple[datetime, datetime | None]:
    """Return what the new rule counts from, on the wall clock of its zone, and the instant that this was read from."""
    current = memory.current
    if is_moved and isinstance(original.anchor, datetime):
        return wall_clock("originalDueDate", original.anchor, time_zone(zone)), original.anchor
    if zone == current.timezone:
        return current.anchor, current.anchored_at
    return wall_clock("anchor", anchor_of_memory(memory), time_zone(zone)), current.anchored_at


def _first_to_change(state: SeriesState, now: datetime, from_slot: int | None, *, one_stays: bool = False) -> int:
    """Return the first slot that a new rule takes the place of; behind the first open task, where that `one_stays`."""
    if state.is_stopped:
        return state.cursor + 1
    replaces = max(state.line.after(state.finished), state.original_slot + 1, _first_to_come(state, now))
    replaces = min(replaces, _first_behind_the_end(state, range(state.cursor + 1, replaces)))  # nobody needs those
    if one_stays:
        replaces = max(
            replaces, min((state.slots[i] for i in state.open if i in state.slots), default=replaces - 1) + 1
        )
    if from_slot is None or from_slot <= replaces:
        return replaces
    if state.at(from_slot) is None:
        message = f"fromSlot: the series has no slot {from_slot}"
        raise InvalidRecurrence(message, field="fromSlot", value=from_slot)
    return from_slot


def _first_behind_the_end(state: SeriesState, numbers: range) -> int:
    """Return the first of these numbers that the rule, as it ends, has no slot for; the one after them if none is."""
    return numbers.start + bisect_left(numbers, x=True, key=lambda number: not state.timed(number, 1))


def _first_to_come(state: SeriesState, now: datetime) -> int:
    """Return the first slot whose time has not come: from completion, that of the open task, or of the next one."""
    if not state.recurrence.from_completion:
        return state.first_after(now)
    still_open = {state.slots[i]: state.at(state.slots[i]) for i in state.open if i in state.slots}
    to_come = (number for number, at in still_open.items() if at is not None and in_utc(at, state.zone) > now)
    return min(to_come, default=state.cursor + 1)


def _behind_all_given(state: SeriesState) -> int:
    """Return the first number that means nothing yet: no task has it, or an id of it, and nobody asked to skip it.

    The cursor may have gone back, and be behind what a dead worker made, or moved.
    """
    near = state.cursor + MAX_NEW_PER_SERIES
    given = [n for i, n in state.slots.items() if n <= near or i == occurrence_id(state.original.id, n)]
    given += [int(slot) for slot in state.skipped if slot.isdigit() and int(slot) <= near]
    return max(state.cursor + 1, state.revisions[-1].first, 1 + max(given, default=0))


def _time_taken(state: SeriesState, replaces: int) -> datetime | None:
    """Return when the slot is that is replaced; of one that an earlier edit put there, as if that had not been."""
    stretches, number = list(state.line.stretches), replaces
    while len(stretches) > 1 and number <= stretches[-1].first and not stretches[-1].is_known_alone:
        stretches.pop()
        number = min(number, (stretches[-1].last or 0) + 1)
    if number == replaces:
        return _due(state.timed(replaces, 1), replaces)
    return _due(replace(stretches[-1], last=None).timed(number, 1), number)


def _due(slots: Iterable[Slot], number: int) -> datetime | None:
    return next((slot.due for slot in slots if slot.number == number), None)


def _start(
    state: SeriesState, asked: Recurrence, revision: Revision, taken: datetime | None, now: datetime
) -> datetime:
    """Return the first day of the new rule: on the day of the slot that it replaces or later, to come, not done."""
    zone = time_zone(revision.timezone)
    begin = wall_clock("now", taken or now, zone)
    if taken is not None:
        begin = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    done = max(state.finished, state.original_slot)
    past = max(now, _due(state.line.timed(done, 1, endless=True), done) or now)
    endless = replace(asked.rule, until=None, count=None)
    for found in instances(endless, revision.anchor, begin - datetime.resolution):
        if in_utc(found, zone) > past:
            return found
    message = f"recurrence.rule: {asked.rule} has no day after {begin:%Y-%m-%d}"
    raise InvalidRecurrence(message, field="recurrence.rule", value=str(asked.rule))
