"""Rules: how a series repeats, as a value. Read from RFC 5545's RRULE text, checked part by part, printed canonically.

Pure. Where a rule puts its instances is instances.py's business. What is understood is RFC 5545, section 3.3.10, for a
FREQ of DAILY or more, and SKIP of RFC 7529 for the Gregorian calendar.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from enum import Enum
from types import MappingProxyType

from recurrence_pipeline.domain.errors import InvalidRecurrence

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
MAX_INTERVAL = 10_000
MAX_COUNT = 1_000_000
LONGEST = 1000
"""Characters of a rule: every list of numbers that says something new is shorter."""


class Frequency(str, Enum):
    """What one period of a rule is."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


class Skip(str, Enum):
    """What becomes of a day that a month or year does not have (RFC 7529, section 4.1)."""

    OMIT = "OMIT"
    BACKWARD = "BACKWARD"
    FORWARD = "FORWARD"


@dataclass(frozen=True, slots=True, order=True)
class WeekdayNum:
    """A weekday (0 is Monday), every one or, with an ordinal that is not 0, the n-th or n-th last of its period."""

    weekday: int
    ordinal: int = 0

    def __str__(self) -> str:
        return f"{self.ordinal or ''}{WEEKDAYS[self.weekday]}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. Lists are sorted and without repeats, so that rules that say the same are equal.

    `until` is inclusive: a date, an instant (aware, UTC), or a time on the wall clock (naive).
    """

    frequency: Frequency
    interval: int = 1
    by_month: tuple[int, ...] = ()
    by_week_no: tuple[int, ...] = ()
    by_year_day: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_day: tuple[WeekdayNum, ...] = ()
    by_set_pos: tuple[int, ...] = ()
    count: int | None = None
    until: date | datetime | None = None
    week_start: int = 0
    skip: Skip = Skip.OMIT
    counted_from: date | None = None
    """The day whose period is the first, where that is not the one of the start: no part of an RRULE says so."""

    def __str__(self) -> str:
        """Return it as an RRULE value; what is left at its default is left out."""
        return ";".join(f"{name}={text}" for name, text in self._parts() if text)

    @property
    def ends(self) -> bool:
        """Whether there is a last instance."""
        return self.count is not None or self.until is not None

    def without_end(self) -> "Rule":
        """Return the rule as it would go on for ever."""
        return replace(self, count=None, until=None)

    def _parts(self) -> list[tuple[str, str]]:
        return [
            ("FREQ", self.frequency.value),
            ("INTERVAL", str(self.interval) if self.interval > 1 else ""),
            ("BYMONTH", _listed(self.by_month)),
            ("BYWEEKNO", _listed(self.by_week_no)),
            ("BYYEARDAY", _listed(self.by_year_day)),
            ("BYMONTHDAY", _listed(self.by_month_day)),
            ("BYDAY", _listed(self.by_day)),
            ("BYSETPOS", _listed(self.by_set_pos)),
            ("COUNT", "" if self.count is None else str(self.count)),
            ("UNTIL", "" if self.until is None else _time(self.until)),
            ("WKST", WEEKDAYS[self.week_start] if self.week_start else ""),
            ("SKIP", self.skip.value if self.skip is not Skip.OMIT else ""),
        ]


REPEAT_TYPES: Mapping[str, Rule] = MappingProxyType(
    {
        "daily": Rule(Frequency.DAILY),
        "weekly": Rule(Frequency.WEEKLY),
        "monthly": Rule(Frequency.MONTHLY, skip=Skip.BACKWARD),
        "yearly": Rule(Frequency.YEARLY, skip=Skip.BACKWARD),
    }
)
"""What the application's words for rules mean: a month too short for the day has the task on its last."""


def rule_of(given: str | Rule) -> Rule:
    """Return what a word of the application, RFC 5545's text or a rule says.

    Raises:
        InvalidRecurrence: it is none of them; or as `parse_rule`.
    """
    if isinstance(given, Rule):
        return given
    if (rule := REPEAT_TYPES.get(given)) is not None:
        return rule
    if "=" in given:
        return parse_rule(given)
    raise InvalidRecurrence(f"Invalid repeat type: {given}", field="repeatType", value=given)


def parse_rule(text: str) -> Rule:
    """Read an RRULE value, with or without `RRULE:` before it; case does not matter.

    Raises:
        InvalidRecurrence: naming the part and its value: unknown, given twice, out of range, not allowed beside others.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise _refused("rule", text if not isinstance(text, str) else f"{text[:40]}…", "is no RRULE value")
    given: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if not equals or name not in _READERS:
            raise _refused("rule", part, "is no part of a rule" if equals else "is not written NAME=VALUE")
        if name in given:
            raise _refused(name, value, "is given a second time")
        given[name] = value
    if "FREQ" not in given:
        raise _refused("FREQ", None, "is missing")
    values = {_READERS[name][0]: _READERS[name][1](name, value) for name, value in given.items() if name != "RSCALE"}
    if given.get("RSCALE", "GREGORIAN") != "GREGORIAN":
        raise _refused("RSCALE", given["RSCALE"], "is not GREGORIAN, the only calendar here")
    rule = Rule(**values)  # type: ignore[arg-type] # the readers' types are those of the fields
    _require_allowed(rule)
    return rule


def _require_allowed(rule: Rule) -> None:
    """Refuse what RFC 5545, section 3.3.10, forbids of parts beside each other."""
    frequency = rule.frequency
    for name, given, allowed in (
        ("BYWEEKNO", rule.by_week_no, {Frequency.YEARLY}),
        ("BYYEARDAY", rule.by_year_day, {Frequency.YEARLY}),
        ("BYMONTHDAY", rule.by_month_day, {Frequency.DAILY, Frequency.MONTHLY, Frequency.YEARLY}),
        ("BYDAY", tuple(d for d in rule.by_day if d.ordinal), {Frequency.MONTHLY, Frequency.YEARLY}),
    ):
        if given and frequency not in allowed:
            what = "with a number is not allowed" if name == "BYDAY" else "is not allowed"
            raise _refused(name, _listed(given), f"{what} with FREQ={frequency.value}")
    if rule.by_week_no and any(day.ordinal for day in rule.by_day):
        raise _refused("BYDAY", _listed(rule.by_day), "with a number is not allowed beside BYWEEKNO")
    if any(abs(day.ordinal) > _most_weeks(rule) for day in rule.by_day):
        raise _refused("BYDAY", _listed(rule.by_day), "has a number that no month reaches, which is at most 5")
    if rule.count is not None and rule.until is not None:
        raise _refused("COUNT", rule.count, "and UNTIL cannot both be given")
    others = (rule.by_month, rule.by_week_no, rule.by_year_day, rule.by_month_day, rule.by_day)
    if rule.by_set_pos and not any(others):
        raise _refused("BYSETPOS", _listed(rule.by_set_pos), "chooses among days that another BY part must name")


def _most_weeks(rule: Rule) -> int:
    by_month = rule.frequency is Frequency.MONTHLY or rule.by_month
    return 5 if by_month else 53


def _refused(name: str, value: object, why: str) -> InvalidRecurrence:
    shown = "" if value is None else f"={value}" if name != "rule" else f" {value!r}"
    return InvalidRecurrence(f"recurrence.rule: {name}{shown} {why}", field="recurrence.rule", value=value)


def _listed(values: tuple[object, ...]) -> str:
    return ",".join(map(str, values))


def _time(value: date | datetime) -> str:
    text = value.isoformat().replace("-", "").replace(":", "")  # strftime writes the year 999 with three digits
    return text.removesuffix("+0000") + ("Z" if isinstance(value, datetime) and value.tzinfo else "")


# Reading single parts


def _choice(kind: type[Enum]) -> Callable[[str, str], Enum]:
    def read(name: str, value: str) -> Enum:
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(str(each.value) for each in kind)
            raise _refused(name, value, f"is not one of {known}") from None

    return read


def _number(least: int, most: int) -> Callable[[str, str], int]:
    def read(name: str, value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not least <= int(value) <= most:
            raise _refused(name, value, f"is not a whole number from {least} to {most}")
        return int(value)

    return read


def _numbers(most: int, *, negative: bool = True) -> Callable[[str, str], tuple[int, ...]]:
    def read(name: str, value: str) -> tuple[int, ...]:
        found = set()
        for text in value.split(","):
            if not re.fullmatch(r"[+-]?\d{1,3}", text, re.ASCII) or not _fits(int(text)):
                span = f"from 1 to {most}" + (f" or -{most} to -1" if negative else "")
                raise _refused(name, text, f"is not a whole number {span}")
            found.add(int(text))
        return tuple(sorted(found))

    def _fits(number: int) -> bool:
        return 1 <= abs(number) <= most and (negative or number > 0)

    return read


def _weekday_nums(name: str, value: str) -> tuple[WeekdayNum, ...]:
    found = set()
    for text in value.split(","):
        matched = re.fullmatch(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", text, re.ASCII)
        if matched is None or (matched[1] is not None and not 1 <= abs(int(matched[1])) <= 53):
            raise _refused(name, text, "is not a weekday such as MO, 2MO or -1FR")
        found.add(WeekdayNum(WEEKDAYS.index(matched[2]), int(matched[1] or 0)))
    return tuple(sorted(found))


def _weekday(name: str, value: str) -> int:
    if value not in WEEKDAYS:
        raise _refused(name, value, f"is not one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(value)


def _until(name: str, value: str) -> date | datetime:
    for form, pattern in (("%Y%m%d", r"\d{8}"), ("%Y%m%dT%H%M%S", r"\d{8}T\d{6}Z?")):
        if re.fullmatch(pattern, value, re.ASCII):
            try:
                found = datetime.strptime(value.removesuffix("Z"), form)  # noqa: DTZ007 - it may mean the wall clock
            except ValueError:
                break
            if form == "%Y%m%d":
                return found.date()
            return found.replace(tzinfo=timezone.utc) if value.endswith("Z") else found
    raise _refused(name, value, "is not a time such as 20271231T235959Z or a date such as 20271231")


_READERS: Mapping[str, tuple[str, Callable[[str, str], object]]] = MappingProxyType(
    {
        "RSCALE": ("", lambda _name, value: value),
        "FREQ": ("frequency", _choice(Frequency)),
        "INTERVAL": ("interval", _number(1, MAX_INTERVAL)),
        "BYMONTH": ("by_month", _numbers(12, negative=False)),
        "BYWEEKNO": ("by_week_no", _numbers(53)),
        "BYYEARDAY": ("by_year_day", _numbers(366)),
        "BYMONTHDAY": ("by_month_day", _numbers(31)),
        "BYDAY": ("by_day", _weekday_nums),
        "BYSETPOS": ("by_set_pos", _numbers(366)),
        "COUNT": ("count", _number(1, MAX_COUNT)),
        "UNTIL": ("until", _until),
        "WKST": ("week_start", _weekday),
        "SKIP": ("skip", _choice(Skip)),
    }
)
"""Each part: the field of a `Rule`, and how its value is read."""
