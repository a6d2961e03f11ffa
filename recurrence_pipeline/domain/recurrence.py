"""How a task says that it repeats: `repeatType`, and the subdocument `recurrence` where there is one. Pure.

What a rule is, is rules.py's; where its slots lie, calendar.py's. Here is what an application may write beside the
rule, read strictly: what is misspelt or cannot be done is refused by name, never passed over.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from recurrence_pipeline.domain.days_off import WORKDAYS, Shift, ShiftTo, why_unknown
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.options import (
    MAX_DATES,
    is_absent,
    is_text,
    one_of,
    read_dates,
    read_day,
    read_flag,
    read_list,
    read_names,
    read_object,
    read_text,
    refused,
)
from recurrence_pipeline.domain.rules import REPEAT_TYPES, WEEKDAYS, Rule, parse_rule

HORIZON = 3
"""How many occurrences a series stays ahead of its next one, unless it says otherwise."""
MAX_HORIZON = 60
CUSTOM = "custom"
NONE = "none"
REPEAT_WORDS = (*REPEAT_TYPES, CUSTOM)
"""What `repeatType` may say of a task that repeats."""


class Missed(str, Enum):
    """What happens to slots that passed with nobody completing them."""

    EACH = "each"
    LATEST = "latest"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Pause:
    """Days, both included, on which no task is due; `until` None: until further notice."""

    begin: date
    until: date | None = None
    note: str = ""

    def holds(self, day: date) -> bool:
        """Say whether a day lies in it."""
        return self.begin <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How a series repeats. `text` is what its memory keeps of the rule: a word, or RFC 5545's text.

    `excluded` and `added` are times on the wall clock under the label of UTC, or whole days.
    """

    text: str
    rule: Rule
    horizon: int = HORIZON
    excluded: frozenset[date] = frozenset()
    added: frozenset[date] = frozenset()
    copy: tuple[str, ...] = ()
    from_completion: bool = False
    missed: Missed = Missed.EACH
    paused: tuple[Pause, ...] = ()
    shift: Shift | None = None
    subtasks: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether numbers alone say what should exist: no time ends the rule, and no date is an exception from it."""
        dated = self.excluded or self.added or self.paused or self.shift or self.rule.until
        return not dated and self.missed is Missed.EACH

    def excludes(self, wall: datetime) -> bool:
        """Say whether a slot is excluded, by its time or its day."""
        return bool(self.excluded) and not self.excluded.isdisjoint((*as_written(wall), wall.date()))

    def pause_at(self, wall: datetime) -> Pause | None:
        """Return the pause that a slot lies in."""
        return next((pause for pause in self.paused if pause.holds(wall.date())), None) if self.paused else None

    def moved(self, wall: datetime) -> datetime | None:
        """Return where a slot is, moved from a day off; None where it is passed over there."""
        return wall if self.shift is None else self.shift.moved(wall)

    def passes_over(self, wall: datetime) -> bool:
        """Say whether no task is made for a slot: it is excluded, paused, or skipped on a day off."""
        return self.excludes(wall) or self.pause_at(wall) is not None or self.moved(wall) is None

    def added_at(self, clock: datetime, made: Collection[datetime] = ()) -> list[datetime]:
        """Return the added times in order. A day has the time of day of `clock`, or that at which it was `made`."""
        days = {time.date(): time for time in made if time not in self.added}
        times = {
            each if isinstance(each, datetime) else days.get(each) or datetime.combine(each, clock.timetz())
            for each in self.added
        }
        return sorted(time for time in times if not self.excludes(time))


def as_written(wall: datetime) -> tuple[datetime, datetime, datetime]:
    """Return what a person may write for a time: a date that a program made has seconds, and fractions of them."""
    return wall, wall.replace(microsecond=0), wall.replace(second=0, microsecond=0)


def read_recurrence(repeat_type: str, options: object = None) -> Recurrence:
    """Read what a task says of its recurrence; `options` is its subdocument, as stored.

    Raises:
        InvalidRecurrence: with the field and the value that cannot be.
    """
    if options is None or options == {}:
        return _of_rule(repeat_type, None)
    if isinstance(options, dict) and options.keys() == {"rule"} and is_text(options["rule"]):
        return _of_rule(repeat_type, options["rule"] or None)
    if not isinstance(options, Mapping):
        raise refused("", options, "is not an object")
    unknown = sorted(map(str, options.keys() - _READERS.keys() - {"_id"}))
    if unknown:
        raise refused(unknown[0], options.get(unknown[0]), f"is not one of {', '.join(_READERS)}")
    found = {name: read(name, options[name]) for name, read in _READERS.items() if not is_absent(options.get(name))}
    plain = _of_rule(repeat_type, found.pop("rule", None))
    if not found:
        return plain
    from_completion = found.pop("from", False)
    if from_completion:
        _require_fitting(options, found)
    horizon = found.pop("horizon", 1 if from_completion else HORIZON)
    return Recurrence(plain.text, plain.rule, horizon=horizon, from_completion=from_completion, **found)


def _require_fitting(options: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse what says nothing where one task is open at a time, and the next is counted from its completion."""
    if found.get("horizon", 1) != 1:
        raise refused("horizon", options["horizon"], "is more than the one open task that from: completion keeps")
    if found.get("missed", Missed.EACH) is not Missed.EACH:
        raise refused("missed", options["missed"], "has no meaning with from: completion, where nothing is missed")
    if found.get("added"):
        raise refused("added", options["added"], "cannot be put to dates that are counted from completion")


def is_same_rule(text: str, recurrence: Recurrence) -> bool:
    """Say whether slots that were counted by the rule `text` keep their numbers: all is the same but where it ends."""
    if text == recurrence.text:
        return True
    try:
        counted_by = read_rule(text)
    except InvalidRecurrence:
        return False
    return counted_by.rule.without_end() == recurrence.rule.without_end()


def is_rule(text: str) -> bool:
    """Say whether a text is what a memory keeps of a rule."""
    try:
        read_rule(text)
    except InvalidRecurrence:
        return False
    return True


def read_rule(text: str) -> Recurrence:
    """Read what a memory keeps of a rule: a word, or RFC 5545's text.

    Raises:
        InvalidRecurrence: it is none.
    """
    return _of_rule(text, None) if text in REPEAT_TYPES else _of_rule(CUSTOM, text)


@lru_cache(maxsize=4096)
def _of_rule(repeat_type: str, text: str | None) -> Recurrence:
    if repeat_type not in REPEAT_WORDS:
        raise InvalidRecurrence(f"Invalid repeat type: {repeat_type}", field="repeatType", value=repeat_type)
    if text is None:
        if repeat_type == CUSTOM:
            message = "recurrence.rule is required where repeatType is custom"
            raise InvalidRecurrence(message, field="recurrence.rule", value=None)
        return Recurrence(repeat_type, REPEAT_TYPES[repeat_type])
    rule = parse_rule(text)
    if repeat_type != CUSTOM and REPEAT_TYPES[repeat_type].frequency is not rule.frequency:
        raise refused("rule", text, f"says FREQ={rule.frequency.value}, but repeatType is {repeat_type}")
    return Recurrence(str(rule), rule)


# Reading single options


def _horizon(name: str, value: object) -> int:
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_HORIZON:
        raise refused(name, value, f"is not a whole number from 1 to {MAX_HORIZON}")
    return number


def _from(name: str, value: object) -> bool:
    return one_of(name, value, ("schedule", "completion")) == "completion"


def _missed(name: str, value: object) -> Missed:
    return Missed(one_of(name, value, [each.value for each in Missed]))


def _paused(name: str, value: object) -> tuple[Pause, ...]:
    return tuple(_pause(f"{name}[{place}]", each) for place, each in enumerate(read_list(name, value, MAX_DATES)))


def _pause(name: str, value: object) -> Pause:
    fields = read_object(name, value, ("from", "until", "note"))
    if is_absent(fields.get("from")):
        raise refused(f"{name}.from", fields.get("from"), "is not a date such as 2027-05-01")
    begin = read_day(f"{name}.from", fields["from"])
    until = None if is_absent(fields.get("until")) else read_day(f"{name}.until", fields["until"])
    if until is not None and until < begin:
        raise refused(f"{name}.until", fields["until"], f"is before {name}.from")
    note = "" if is_absent(fields.get("note")) else read_text(f"{name}.note", fields["note"])
    return Pause(begin, until, note)


def _shift(name: str, value: object) -> Shift:
    fields = read_object(name, value, ("to", "workdays", "holidays"))
    to = ShiftTo(one_of(f"{name}.to", fields.get("to"), [each.value for each in ShiftTo]))
    given, place = fields.get("workdays"), fields.get("holidays")
    workdays = WORKDAYS if is_absent(given) else _workdays(f"{name}.workdays", given)
    return Shift(to, workdays, None if is_absent(place) else _place(f"{name}.holidays", place))


def _workdays(name: str, value: object) -> frozenset[int]:
    days = [one_of(f"{name}[{place}]", day, WEEKDAYS) for place, day in enumerate(read_list(name, value, MAX_DATES))]
    return frozenset(map(WEEKDAYS.index, days))


def _place(name: str, value: object) -> str:
    place = read_text(name, value)
    if (why := why_unknown(place)) is not None:
        raise refused(name, place, why)
    return place


_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "rule": read_text,
    "from": _from,
    "missed": _missed,
    "excluded": read_dates,
    "added": read_dates,
    "paused": _paused,
    "shift": _shift,
    "horizon": _horizon,
    "subtasks": read_flag,
    "copy": read_names,
}
