"""Slots: where a rule puts the occurrences of a series. Pure date arithmetic: no tasks, no clock, no storage.

A slot is a function of the anchor, the rule and its number alone, so that no error adds up: the third month after
Jan 31 is Apr 30, whatever February was. Rules count on the wall clock of the series' time zone, and instants are UTC:
09:00 stays 09:00 across DST. A time that does not exist that day moves forward by the gap (RFC 5545, section 3.3.5,
with erratum 4271); of a time that exists twice the first is meant. PEP 495 gives both to a datetime with `fold=0`.

A rule is a word of the application (`daily`), RFC 5545's text, or a `Rule`. It may end: then fewer slots are found.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from recurrence_pipeline.domain.counting import DRIFT, Counted, Family, Known
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.families import family_of
from recurrence_pipeline.domain.instances import last_moment
from recurrence_pipeline.domain.rules import Rule, rule_of
from recurrence_pipeline.domain.zones import aware, time_zone, utc_offset, wall_clock

MAX_SAMPLES = 100
"""How many times are heard where an anchor is looked for."""

_ZERO = timedelta(0)


class _Pattern(NamedTuple):
    rule: Rule
    family: Family
    ends: bool


def slot(
    anchor: datetime, rule: str | Rule, number: int, timezone: str | None = None, *, known: Known | None = None
) -> datetime:
    """Return slot `number` of the series, in UTC; slot 0 is the anchor itself.

    `anchor` is aware, and read as wall-clock time in `timezone` (an IANA name; None: UTC). `known` is a slot whose
    number is known: rules of a rare kind are counted from there.

    Raises:
        InvalidRecurrence: for a naive anchor, an unknown rule or zone, a number that is no count, or a slot that
            lies past the end of the rule or the year 9999.
    """
    found = slots(anchor, rule, _count("number", number), 1, timezone, known=known)
    if not found:
        message = f"number: slot {number} lies past the end of {_pattern(rule).rule}"
        raise InvalidRecurrence(message, field="number", value=number)
    return found[0]


def slot_number(
    anchor: datetime, rule: str | Rule, when: datetime, timezone: str | None = None, *, known: Known | None = None
) -> int:
    """Return the number of the slot that `when` stands for: `slot_number(slot(n)) == n`.

    That is the last slot on the wall clock that is not later, or the one that is within `DRIFT` of `when`: a gap moved
    it over midnight, or a worker counting in another zone did. With one slot in each period it is the distance from
    the anchor in periods, negative before it: of Jan 31 monthly, Feb 29 and Mar 29 are slots 1 and 2. Where two days
    of the wall clock share an instant (Pacific/Apia, 2011-12-30), it is the later one.

    Raises:
        InvalidRecurrence: for a naive time or an unknown rule or zone.
    """
    zone, family = time_zone(timezone), _pattern(rule).family
    wall = wall_clock("anchor", anchor, zone)
    number = family.number(wall, wall_clock("when", when, zone), known)
    candidates = (number, number + 1, number - 1)
    return next((n for n in candidates if _stands_for(when, wall, zone, family, n, known)), number)


def slots(
    anchor: datetime,
    rule: str | Rule,
    first: int,
    count: int,
    timezone: str | None = None,
    *,
    known: Known | None = None,
) -> list[datetime]:
    """Return `count` slots from number `first` on, or fewer where the rule ends.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    zone, pattern = time_zone(timezone), _pattern(rule)
    if first.__class__ is not int or count.__class__ is not int or first < 0 or count < 0:
        _count("first", first), _count("count", count)
    wall = wall_clock("anchor", anchor, zone)
    if pattern.ends:
        return [in_utc(shown, zone) for shown in _walls(wall, zone, pattern, first, count, known)]
    return _instants(wall, zone, pattern.family, first, count, known)


def timed(
    wall: datetime, rule: str | Rule, first: int, count: int, zone: tzinfo, *, known: Known | None = None
) -> list[tuple[datetime, datetime]]:
    """Return slots as `slots` does, each on the wall clock and in UTC; the anchor is given on the wall clock.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    return [(each, in_utc(each, zone)) for each in _walls(wall, zone, _pattern(rule), first, count, known)]


def has_slots(rule: str | Rule, wall: datetime) -> bool:
    """Say whether a rule falls on any day after an anchor on the wall clock, COUNT and UNTIL aside."""
    family = _pattern(rule).family
    return not isinstance(family, Counted) or bool(family.spans(wall, 1, 1))


def is_counted(rule: str | Rule) -> bool:
    """Say whether slots of a rule are counted from a known one: their number alone says no day."""
    return isinstance(_pattern(rule).family, Counted)


def in_utc(wall: datetime, zone: tzinfo) -> datetime:
    """Return the instant that the clocks of a zone show as this.

    Raises:
        InvalidRecurrence: it lies outside the years 1 to 9999.
    """
    try:
        return wall - (zone.utcoffset(wall) or _ZERO)
    except OverflowError as error:
        message = f"anchor: {wall:%Y-%m-%d %H:%M} in {zone} lies outside the years 1 to 9999"
        raise InvalidRecurrence(message, field="anchor", value=wall) from error


def occurrences(start: datetime, rule: str | Rule, count: int, timezone: str | None = None) -> list[datetime]:
    """Return the `count` slots after `start`: slots 1 to `count` of a series anchored there.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    return slots(aware("start", start), rule, 1, count, timezone)


def next_occurrence(
    base: datetime,
    rule: str | Rule,
    timezone: str | None = None,
    anchor: datetime | None = None,
    *,
    known: Known | None = None,
) -> datetime:
    """Return the first slot strictly after `base`; the anchor is `base` unless given.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    anchor = base if anchor is None else anchor
    return slot(anchor, rule, next_number(base, rule, timezone, anchor, known=known), timezone, known=known)


def next_number(
    base: datetime, rule: str | Rule, timezone: str | None, anchor: datetime, *, known: Known | None = None
) -> int:
    """Return the number of the first slot strictly after `base`, be it past the end of the rule.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    zone, family = time_zone(timezone), _pattern(rule).family
    wall, wall_base = wall_clock("anchor", anchor, zone), wall_clock("base", base, zone)
    # A gap or an overlap around midnight puts the answer one off the calendar's, either way: four slots at most.
    number = max(family.number(wall, wall_base, known) - 1, 0)
    while (found := _instants(wall, zone, family, number, 1, known)) and found[0] <= base:
        number += 1
    return number


def anchor_of(
    numbered: Iterable[tuple[int, datetime]], rule: str | Rule, timezone: str | None = None
) -> datetime | None:
    """Return the anchor that puts most of these times on the slots with their numbers; None where there is none.

    What one month was too short for shows in another: of any two months in a row one has 31 days, so that of Feb 29
    and Mar 31, slots 1 and 2, the anchor is Jan 31. Feb 29 alone can only say Jan 29. Rules whose slots are not an even
    number of days or months apart have no such anchor.

    Raises:
        InvalidRecurrence: for a naive time or an unknown rule or zone.
    """
    zone, family = time_zone(timezone), _pattern(rule).family
    heard = list(islice(numbered, MAX_SAMPLES))
    shown = [wall_clock("when", when, zone) for _, when in heard]
    starts = set[datetime]()
    for (number, _), wall in zip(heard, shown, strict=True):
        with suppress(OverflowError, ValueError):  # a number that leads out of the calendar
            starts.update(family.anchors(wall, number, {each.day for each in shown}))

    def fitting(start: datetime) -> int:
        return sum(1 for number, when in heard if _is_slot(when, start, zone, family, number))

    best = max(sorted(starts), key=fitting, default=None)
    return None if best is None else best - utc_offset(zone, best)


@lru_cache(maxsize=4096)
def _pattern(rule: str | Rule) -> _Pattern:
    parsed = rule_of(rule)
    return _Pattern(parsed, family_of(parsed), parsed.ends)


def _count(field: str, value: int) -> int:
    if value.__class__ is int and value >= 0:
        return value
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidRecurrence(f"{field}: {value!r} is not a whole number from 0", field=field, value=value)
    return value


def _walls(
    wall: datetime, zone: tzinfo, pattern: _Pattern, first: int, count: int, known: Known | None
) -> list[datetime]:
    """Return slots on the wall clock, up to COUNT and UNTIL."""
    rule = pattern.rule
    if rule.count is not None:
        count = max(min(count, rule.count - first), 0)
    try:
        found = [wall + span for span in pattern.family.spans(wall, first, count, known)]
    except (OverflowError, ValueError) as error:
        if rule.until is None:
            raise _outside(wall, first) from error
        if count == 1:  # behind the calendar is behind any end
            return []
        each = (_walls(wall, zone, pattern, number, 1, known) for number in range(first, first + count))
        return [shown for one in each for shown in one]
    if not first and found:
        found[0] = wall  # arithmetic would not keep its fold
    last = last_moment(rule, wall, zone)
    if last is None:
        return found
    return [shown for number, shown in enumerate(found, first) if not number or shown <= last]


def _instants(
    wall: datetime, zone: tzinfo, family: Family, first: int, count: int, known: Known | None = None
) -> list[datetime]:
    """Return `count` slots from number `first`, which may be negative here, of an anchor on the wall clock."""
    try:
        spans = family.spans(wall, first, count, known)
        # Arithmetic would not keep the fold of the anchor.
        return [in_utc(wall + span if span else wall, zone) for span in spans]
    except (OverflowError, ValueError) as error:
        if count > 1:  # which of them it is, only each by itself can tell
            each = (_instants(wall, zone, family, number, 1, known) for number in range(first, first + count))
            return [found for one in each for found in one]
        raise _outside(wall, first) from error


def _outside(wall: datetime, number: int) -> InvalidRecurrence:
    message = f"number: slot {number} from {wall:%Y-%m-%d %H:%M} lies outside the years 1 to 9999"
    return InvalidRecurrence(message, field="number", value=number)


def _stands_for(when: datetime, wall: datetime, zone: tzinfo, family: Family, number: int, known: Known | None) -> bool:
    """Say whether `when` is on slot `number` or within `DRIFT` of it."""
    try:
        return any(abs(found - when) <= DRIFT for found in _instants(wall, zone, family, number, 1, known))
    except InvalidRecurrence:  # the calendar ends before that slot
        return False


def _is_slot(when: datetime, wall: datetime, zone: tzinfo, family: Family, number: int) -> bool:
    try:
        return _instants(wall, zone, family, number, 1) == [when]
    except InvalidRecurrence:
        return False
