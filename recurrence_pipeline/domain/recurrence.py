"""How a task says that it repeats: `repeatType`, and the subdocument `recurrence` where there is one. Pure.

What a rule is, is rules.py's; where its slots lie, calendar.py's. Here is what an application may write beside the
rule, read strictly: what is misspelt or cannot be done is refused by name, never passed over.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.rules import REPEAT_TYPES, Rule, parse_rule
from recurrence_pipeline.domain.zones import UTC

HORIZON = 3
"""How many occurrences a series stays ahead of its next one, unless it says otherwise."""
MAX_HORIZON = 60
MAX_DATES = 1000
MAX_COPIED = 50
CUSTOM = "custom"
REPEAT_WORDS = (*REPEAT_TYPES, CUSTOM)
"""What `repeatType` may say of a task that repeats."""

NOT_WANTED = (False,)
NOT_COPIED = frozenset(
    (
        "_id", "__v", "taskId", "userId", "dueDate", "originalDueDate", "isCompleted", "completedAt", "repeatType",
        "parentTaskId", "parentRecurringId", "occurrenceNumber", "occurrenceAt", "createdByEvent", "recurrence",
        "recurrenceCursor", "originalSlot", "createdAt", "updatedAt",
    )
)  # fmt: skip
"""What makes a task the one it is: an occurrence has its own."""


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

    @property
    def is_plain(self) -> bool:
        """Whether numbers alone say what should exist: no time ends the rule, and no date is an exception from it."""
        return not (self.excluded or self.added or self.rule.until)

    def excludes(self, wall: datetime) -> bool:
        """Say whether a slot is excluded, by its time or its day."""
        return not self.excluded.isdisjoint((*as_written(wall), wall.date()))

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
    taken = {name: value for name, value in found.items() if value is not None}
    return Recurrence(plain.text, plain.rule, **taken) if taken else plain


def is_same_rule(text: str, recurrence: Recurrence) -> bool:
    """Say whether slots that were counted by the rule `text` keep their numbers: all is the same but where it ends."""
    if text == recurrence.text:
        return True
    try:
        counted_by = _of_rule(text, None) if text in REPEAT_TYPES else _of_rule(CUSTOM, text)
    except InvalidRecurrence:
        return False
    return counted_by.rule.without_end() == recurrence.rule.without_end()


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


def _only(*allowed: object) -> Callable[[str, object], None]:
    """Refuse every value of an option but those that mean what is done without it."""

    def read(name: str, value: object) -> None:
        if value not in allowed:
            raise _refused(name, value, f"cannot be done (yet): only {', '.join(map(repr, allowed))}")

    return read


_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "rule": _text,
    "from": _only("schedule"),
    "missed": _only("each"),
    "excluded": _dates,
    "added": _dates,
    "paused": _only(),
    "shift": _only(),
    "horizon": _horizon,
    "subtasks": _only(*NOT_WANTED),
    "copy": _names,
}
