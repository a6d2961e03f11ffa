"""What the original, the members and the memory of a series say: its rule, its anchor, the slots that are known. Pure.

Documents are the application's: nothing that stands there is believed where the memory knows better. The memory also
says which rule counts: an edited one does so once it is followed (changes.py). What follows, and which slots are still
to come, is series.py's business.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

from recurrence_pipeline.domain.calendar import is_counted
from recurrence_pipeline.domain.errors import InvalidRecurrence, NotAMember, RuleChanged, WrongType
from recurrence_pipeline.domain.instances import begun_later, last_moment
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.recurrence import NONE, Recurrence, is_same_rule, read_recurrence, read_rule
from recurrence_pipeline.domain.rules import Rule
from recurrence_pipeline.domain.series_memory import Cursor, Revision, SeriesMemory
from recurrence_pipeline.domain.slot_line import SlotLine, Stretch
from recurrence_pipeline.domain.zones import time_zone, wall_clock

MAX_NUMBER = 3_652_059
"""Days of the calendar: no slot has a higher number."""


def require_member(task: Task, series: Series) -> None:
    """Make sure that a task belongs to the series that it hangs on.

    Raises:
        WrongType: one of its ids cannot be told.
        NotAMember: it is another user's.
    """
    if task.misread is not None:
        raise WrongType(task.misread)
    if series.original is not None and task.user_id != series.original.user_id:
        raise NotAMember(f"userId: {task.user_id} is not the user of {series.id}, which task {task.id} hangs on")


def recurrence_of(original: Task, reached: Cursor | None, memory: SeriesMemory | None) -> Recurrence:
    """Return how a series repeats, by a rule that keeps the numbers of the slots that were made.

    Options are what the original says now; so is the end of the rule, where that is all that is new of it.

    Raises:
        InvalidRecurrence: what the original says cannot be.
        RuleChanged: an earlier version counted its slots by another rule, and left no memory.
    """
    asked = read_recurrence(original.repeat_type, original.recurrence)
    if memory is None:
        recalled = original.cursor is None  # then all that is known of the rule is what stands there now
        if reached is not None and not recalled and not is_same_rule(reached.repeat_type, asked):
            raise RuleChanged(counted_as=reached.repeat_type, says=asked.text)
        return asked
    current = memory.current
    if current.rule != NONE and not is_same_rule(current.rule, asked):
        known = read_rule(current.rule)
        asked = replace(asked, text=known.text, rule=known.rule)
    if asked.from_completion == current.from_completion:
        return asked
    return replace(asked, from_completion=current.from_completion)


def first_revision(original: Task, recurrence: Recurrence, timezone: str | None) -> Revision:
    """Return the revision of a series that nothing is remembered of.

    Raises:
        InvalidRecurrence: it has no date.
    """
    if not isinstance(original.anchor, datetime):
        raise InvalidRecurrence("Due date must be a valid date", field="originalDueDate", value=original.anchor)
    wall = wall_clock("anchor", original.anchor, time_zone(timezone))
    return Revision(
        recurrence.text, wall, timezone or "UTC", original.anchor, from_completion=recurrence.from_completion
    )


def slot_line(series: Series, revisions: Sequence[Revision], recurrence: Recurrence) -> SlotLine:
    """Return the slots of a series; `recurrence` has the rule of the last revision, as it ends now."""
    stretches = list[Stretch]()
    for revision, following, last in zip(revisions, (*revisions[1:], None), _lasts(revisions), strict=True):
        if revision.rule == NONE or (last is not None and last < revision.first):
            continue
        rule: str | Rule = recurrence.text if following is None else revision.rule
        parsed = recurrence.rule if following is None else read_rule(revision.rule).rule
        if revision.start is not None:
            if (end := last_moment(parsed, revision.anchor)) is not None and end < revision.start:
                continue
            rule = parsed = begun_later(parsed, revision.anchor.date())
        zone, wall = time_zone(revision.timezone), revision.start or revision.anchor
        if revision.from_completion:
            known = {n: at for n, at in _places(series, revision) if last is None or n <= last}
        else:
            known = known_slots(series, wall, zone, revision.first, last) if is_counted(rule) else {}
        endless = parsed.without_end() if parsed.ends else rule
        alone = revision.from_completion
        stretches.append(Stretch(revision.first, last, wall, rule, endless, zone, known, is_known_alone=alone))
    return SlotLine(stretches)


def _lasts(revisions: Sequence[Revision]) -> list[int | None]:
    """Return the last slot of each revision: before the first that any later one replaces, and not only the next."""
    found: list[int | None] = [None]
    for later in reversed(revisions[1:]):
        found.append(min(later.replaces - 1, later.replaces - 1 if found[-1] is None else found[-1]))
    return found[::-1]


def _places(series: Series, revision: Revision) -> Iterator[tuple[int, datetime]]:
    """Yield where the members of a revision are that nothing but they themselves can tell of."""
    if not revision.first:
        yield 0, revision.anchor
    for task in series.occurrences:
        number, at = task.occurrence_number, task.occurrence_at
        if number is not None and at is not None and number >= revision.first:
            yield number, at


def known_slots(series: Series, wall: datetime, zone: tzinfo, first: int, last: int | None) -> dict[int, datetime]:
    """Return, by number, the slots that the memory and members say the time of; of these, what lies between its ends.

    Members are the application's, which may have written anything there. Of a series that nothing is remembered of,
    they may have been made by another rule: none is believed.
    """
    memory, highest, end = series.memory, MAX_NUMBER if last is None else last + 1, None
    if memory is None:
        return {}
    if time_zone(memory.current.timezone) is zone and memory.at is not None and first < memory.number < highest:
        highest, end = memory.number, memory.at
    known = {
        task.occurrence_number: task.occurrence_at
        for task in series.occurrences
        if task.occurrence_number is not None
        and task.occurrence_at is not None
        and first < task.occurrence_number < highest
        and wall < task.occurrence_at
        and (end is None or task.occurrence_at < end)
    }
    return known if end is None else known | {highest: end}


def added_dates(series: Series) -> dict[str, datetime]:
    """Return the added date that each member without a number is on."""
    return {
        task.id: task.occurrence_at
        for task in series.occurrences
        if task.occurrence_at is not None and task.occurrence_number is None
    }
