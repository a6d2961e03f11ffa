"""How a task says that it repeats: `repeatType`, and the subdocument `recurrence` where there is one. Pure.

What a rule is, is rules.py's; where its slots lie, calendar.py's. Here is what an application may write beside the
rule, read strictly: what is misspelt or cannot be done is refused by name, never passed over.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from recurrence_pipeline.domain.days_off import WORKDAYS, Shift, ShiftTo, why_unknown
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.rules import REPEAT_TYPES, Rule, parse_rule
from recurrence_pipeline.domain.zones import UTC

HORIZON = 3
"""How many occurrences a series stays ahead of its next one, unless it says otherwise."""
MAX_HORIZON = 60
MAX_DATES = 1000
MAX_COPIED = 50
CUSTOM = "custom"
NONE = "none"
REPEAT_WORDS = (*REPEAT_TYPES, CUSTOM)
"""What `repeatType` may say of a task that repeats."""

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
NOT_COPIED = frozenset(
    (
        "_id", "__v", "taskId", "userId", "dueDate", "originalDueDate", "isCompleted", "completedAt", "repeatType",
        "parentTaskId", "parentRecurringId", "occurrenceNumber", "occurrenceAt", "shiftedTo", "writtenAs",
        "createdByEvent", "recurrence", "recurrenceCursor", "originalSlot", "createdAt", "updatedAt", "lastMove",
    )
)  # fmt: skip
"""What makes a task the one it is: an occurrence has its own."""


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
        return not self.excluded.isdisjoint((*as_written(wall), wall.date()))

    def pause_at(self, wall: datetime) -> Pause | None:
        """Return the pause that a slot lies in."""
        return next((pause for pause in self.paused if pause.holds(wall.date())), None)

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
        raise _refused("", options, "is not an object")
    unknown = sorted(map(str, options.keys() - _READERS.keys() - {"_id"}))
    if unknown:
        raise _refused(unknown[0], options.get(unknown[0]), f"is not one of {', '.join(_READERS)}")
    found = {name: read(name, options[name]) for name, read in _READERS.items() if not _is_absent(options.get(name))}
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
        raise _refused("horizon", options["horizon"], "is more than the one open task that from: completion keeps")
    if found.get("missed", Missed.EACH) is not Missed.EACH:
        raise _refused("missed", options["missed"], "has no meaning with from: completion, where nothing is missed")
    if found.get("added"):
        raise _refused("added", options["added"], "cannot be put to dates that are counted from completion")


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
        raise _refused("rule", text, f"says FREQ={rule.frequency.value}, but repeatType is {repeat_type}")
    return Recurrence(str(rule), rule)


def _refused(name: str, value: object, why: str) -> InvalidRecurrence:
    field_name = f"recurrence.{name:.80}" if name else "recurrence"
    return InvalidRecurrence(f"{field_name}: {_short(value)} {why}", field=field_name, value=value)


def _short(value: object) -> str:
    return f"{value!r:.80}"


def _is_absent(value: object) -> bool:
    return value is None or value in ("", [], {})


# Reading single options


def _text(name: str, value: object) -> str:
    if not is_text(value):
        raise _refused(name, value, "is not text")
    return str(value)


def _horizon(name: str, value: object) -> int:
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_HORIZON:
        raise _refused(name, value, f"is not a whole number from 1 to {MAX_HORIZON}")
    return number


def _dates(name: str, value: object) -> frozenset[date]:
    return frozenset(_date(f"{name}[{place}]", each) for place, each in enumerate(_list(name, value, MAX_DATES)))


def _date(name: str, value: object) -> date:
    try:
        text = _text(name, value)
        if "T" not in text and " " not in text:
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text)
    except (ValueError, InvalidRecurrence):
        found = None
    if found is None or found.tzinfo is not None:
        raise _refused(name, value, "is not a time on the wall clock such as 2027-05-01T09:00, or a date")
    return found.replace(tzinfo=UTC)


def _names(name: str, value: object) -> tuple[str, ...]:
    names = []
    for place, each in enumerate(_list(name, value, MAX_COPIED)):
        at = f"{name}[{place}]"
        if not is_text(each) or not is_field_name(each):
            raise _refused(at, each, "is not the name of a field")
        if each in NOT_COPIED:
            raise _refused(at, each, "is a field of which each occurrence has its own")
        names.append(each)
    return tuple(dict.fromkeys(names))


def is_text(value: object) -> bool:
    """Say whether a value is plain text: a database has text of other kinds too, such as code, which has no hash."""
    return value.__class__ is str


def is_field_name(name: str) -> bool:
    """Say whether a field of a document can have this name, and be asked for by it."""
    return bool(name) and not name.startswith("$") and "." not in name and "\0" not in name


def _list(name: str, value: object, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise _refused(name, value, "is not a list")
    if len(value) > most:
        raise _refused(name, f"a list of {len(value)}", f"is longer than {most}")
    return value


def _from(name: str, value: object) -> bool:
    return _one_of(name, value, ("schedule", "completion")) == "completion"


def _missed(name: str, value: object) -> Missed:
    return Missed(_one_of(name, value, [each.value for each in Missed]))


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refused(name, value, "is not true or false")
    return value


def _paused(name: str, value: object) -> tuple[Pause, ...]:
    return tuple(_pause(f"{name}[{place}]", each) for place, each in enumerate(_list(name, value, MAX_DATES)))


def _pause(name: str, value: object) -> Pause:
    fields = _object(name, value, ("from", "until", "note"))
    if _is_absent(fields.get("from")):
        raise _refused(f"{name}.from", fields.get("from"), "is not a date such as 2027-05-01")
    begin = _day(f"{name}.from", fields["from"])
    until = None if _is_absent(fields.get("until")) else _day(f"{name}.until", fields["until"])
    if until is not None and until < begin:
        raise _refused(f"{name}.until", fields["until"], f"is before {name}.from")
    note = "" if _is_absent(fields.get("note")) else _text(f"{name}.note", fields["note"])
    return Pause(begin, until, note)


def _day(name: str, value: object) -> date:
    found = _date(name, value) if is_text(value) else None
    if found is None or isinstance(found, datetime):
        raise _refused(name, value, "is not a date such as 2027-05-01")
    return found


def _shift(name: str, value: object) -> Shift:
    fields = _object(name, value, ("to", "workdays", "holidays"))
    to = ShiftTo(_one_of(f"{name}.to", fields.get("to"), [each.value for each in ShiftTo]))
    given, place = fields.get("workdays"), fields.get("holidays")
    workdays = WORKDAYS if _is_absent(given) else _workdays(f"{name}.workdays", given)
    return Shift(to, workdays, None if _is_absent(place) else _place(f"{name}.holidays", place))


def _workdays(name: str, value: object) -> frozenset[int]:
    days = [_one_of(f"{name}[{place}]", day, WEEKDAYS) for place, day in enumerate(_list(name, value, MAX_DATES))]
    return frozenset(map(WEEKDAYS.index, days))


def _place(name: str, value: object) -> str:
    place = _text(name, value)
    if (why := why_unknown(place)) is not None:
        raise _refused(name, place, why)
    return place


def _one_of(name: str, value: object, allowed: Sequence[str]) -> str:
    if not is_text(value) or value not in allowed:
        raise _refused(name, value, f"is not one of {', '.join(allowed)}")
    return str(value)


def _object(name: str, value: object, names: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refused(name, value, "is not an object")
    unknown = sorted(map(str, value.keys() - {*names, "_id"}))
    if unknown:
        raise _refused(f"{name}.{unknown[0]}", value.get(unknown[0]), f"is not one of {', '.join(names)}")
    return value


_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "rule": _text,
    "from": _from,
    "missed": _missed,
    "excluded": _dates,
    "added": _dates,
    "paused": _paused,
    "shift": _shift,
    "horizon": _horizon,
    "subtasks": _flag,
    "copy": _names,
}
