"""Phrases: the parts of a rule and the English for them, each written and read by one table. Pure.

A phrase is a piece of a sentence that stands for one or two fields of a `Rule`: "Monday and Thursday", "the 1st and
15th", "31 December 2026". How pieces make a sentence is sentences.py's business. What is read here went through
spelling.py: small letters, one space between words, no articles, commas or plurals.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from types import MappingProxyType
from typing import Any

from recurrence_pipeline.domain.english.vocabulary import (
    DAY,
    GROUPS,
    MONTH,
    MONTHS,
    NAME,
    NTH,
    WEEKDAYS,
    listed,
    nth,
    number_of,
    runs,
    series,
    spread,
)
from recurrence_pipeline.domain.english.weekdays import (
    Fields,
    read_chosen,
    read_nth_weekdays,
    read_weekdays,
    weekdays_of,
    write_a_nth_weekday,
    write_a_weekday,
    write_chosen,
    write_nth_weekdays,
    write_positions,
    write_weekdays,
)
from recurrence_pipeline.domain.rules import Frequency, Rule
from recurrence_pipeline.domain.words import counted

UNITS: Mapping[Frequency, str] = MappingProxyType(
    {Frequency.DAILY: "day", Frequency.WEEKLY: "week", Frequency.MONTHLY: "month", Frequency.YEARLY: "year"}
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """English for some fields of a rule: `write` answers None where it has none, `read` where they cannot be meant."""

    fields: frozenset[str]
    write: Callable[[Rule], str | None]
    pattern: str
    read: Callable[[str], Fields | None]


# Days of months and years, months, weeks


def _numbered(field: str, last: str, word: str = "and") -> Callable[[Rule], str | None]:
    """Return a writer of numbered days; `last` stands behind the last: ` day`, or nothing for days of months."""

    def write(rule: Rule) -> str | None:
        numbers = getattr(rule, field)
        if not numbers:
            return None
        return f"the {listed(runs(numbers, nth), word)}{last or (' day' if min(numbers) < 0 else '')}"

    return write


def _write_month_day(rule: Rule) -> str | None:
    """Return one day of one month: `29 February`."""
    if len(rule.by_month) != 1 or len(rule.by_month_day) != 1 or rule.by_month_day[0] < 0:
        return None
    return f"{rule.by_month_day[0]} {MONTHS[rule.by_month[0] - 1]}"


def _read_month_days(text: str) -> Fields | None:
    """Read `29 february`, `january 1 july 1`; days that are not the same in each month make no rule."""
    pairs = re.findall(rf"({MONTH}) (\d+)|(\d+)\w* (?:of )?({MONTH})", re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", text))
    found = {(_month(one or other), int(day or number)) for one, day, number, other in pairs}
    months, days = {month for month, _ in found}, {day for _, day in found}
    if len(found) != len(months) * len(days):
        return None
    return {"by_month": tuple(sorted(months)), "by_month_day": tuple(sorted(days))}


def _month(word: str) -> int:
    return [name.lower() for name in MONTHS].index(word) + 1


def _write_months(rule: Rule) -> str | None:
    return listed(runs(rule.by_month, lambda month: MONTHS[month - 1])) if rule.by_month else None


def _write_weeks(rule: Rule) -> str | None:
    front, back = (
        runs([week for week in rule.by_week_no if week > 0], str),
        [w for w in rule.by_week_no if w < 0],
    )
    several = "weeks" if len(front) > 1 or (front and " to " in front[0]) else "week"
    parts = [f"{several} {listed(front)}"] if front else []
    return listed(parts + [f"the {nth(week)} week" for week in back]) if rule.by_week_no else None


def _reader(field: str, value: Callable[[str], int], around: range | None = None) -> Callable[[str], Fields | None]:
    def read(text: str) -> Fields | None:
        found = spread(re.sub(r"\b(?:day|week|or)\b", " ", text), value, around)
        return None if found is None else {field: found}

    return read


def _day_reader(field: str) -> Callable[[str], Fields | None]:
    """Return a reader of numbered days: the 1st is one, and the last of a month is said with its `day`."""
    read = _reader(field, number_of)
    return lambda text: None if "last" in text and not text.endswith("day") else read(text)


# The end, and the week


def _write_until(rule: Rule) -> str | None:
    if rule.until is None:
        return None
    day = f"{rule.until.day} {MONTHS[rule.until.month - 1]} {rule.until.year:04d}"
    if not isinstance(rule.until, datetime):
        return day
    clock = rule.until.time().isoformat("seconds" if rule.until.second else "minutes")
    return f"{day} at {clock}{' UTC' if rule.until.tzinfo else ''}"


def _read_until(text: str) -> Fields | None:
    found = re.fullmatch(r"(.+?)(?:(?: at | |t)(\d\d:\d\d(?::\d\d)?) ?(utc|z)?)?", text)
    day = found and _date(found[1])
    if not found or not day:
        return None
    try:
        clock = found[2] and time.fromisoformat(found[2])
    except ValueError:
        return None
    return {"until": datetime.combine(day, clock, timezone.utc if found[3] else None) if clock else day}


def _date(text: str) -> date | None:
    """Read `2026-12-31`, `31 december 2026` and `december 31st 2026`."""
    iso = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text)
    english = re.fullmatch(rf"(?:(\d\d?)\w* (?:of )?({MONTH})|({MONTH}) (\d\d?)\w*) (\d{{4}})", text)
    try:
        if iso:
            return date(int(iso[1]), int(iso[2]), int(iso[3]))
        if english:
            return date(int(english[5]), _month(english[2] or english[3]), int(english[1] or english[4]))
    except ValueError:
        return None
    return None


def _phrase(fields: str, write: Callable[[Rule], str | None], pattern: str, read: Callable[[str], Any]) -> Phrase:
    return Phrase(frozenset(fields.split()), write, pattern, read)


_NTHS, _A_NTHS = series(rf"{NTH}(?: day)?"), series(rf"{NTH}(?: day)?", "(?: or | )")
_SPAN = "(?:" + "|".join([rf"{NAME}(?: to {NAME})?", *GROUPS]) + ")"
_DAYS = f"{_SPAN}(?: {_SPAN})*"
_DAY_OF_MONTH = rf"(?:\d\d?(?:st|nd|rd|th)? (?:of )?{MONTH}|{MONTH} \d\d?(?:st|nd|rd|th)?)"
_NTH_DAYS = rf"(?:(?:{NTH} )+|every ){DAY}"
_A_NTH_DAY = rf"{NTH}(?:(?: or | ){NTH})* {DAY}"
_FREQUENCIES = {unit: frequency for frequency, unit in UNITS.items()}

PHRASES: Mapping[str, Phrase] = MappingProxyType(
    {
        "weekdays": _phrase("by_day", write_weekdays, _DAYS, read_weekdays),
        "a weekday": _phrase("by_day", write_a_weekday, f"{_SPAN}(?:(?: or | ){_SPAN})*", read_weekdays),
        "nth weekdays": _phrase("by_day", write_nth_weekdays, f"{_NTH_DAYS}(?: {_NTH_DAYS})*", read_nth_weekdays),
        "a nth weekday": _phrase(
            "by_day", write_a_nth_weekday, f"{_A_NTH_DAY}(?:(?: or | ){_A_NTH_DAY})*", read_nth_weekdays
        ),
        "chosen": _phrase(
            "by_day by_set_pos",
            write_chosen,
            rf"(?:{NTH} )+(?:weekday|weekendday|of {_DAYS}|{DAY}(?: or {DAY})+)",
            read_chosen,
        ),
        "month day": _phrase(
            "by_month by_month_day", _write_month_day, f"{_DAY_OF_MONTH}(?: {_DAY_OF_MONTH})*", _read_month_days
        ),
        "days": _phrase("by_month_day", _numbered("by_month_day", ""), _NTHS, _day_reader("by_month_day")),
        "a day": _phrase("by_month_day", _numbered("by_month_day", "", "or"), _A_NTHS, _day_reader("by_month_day")),
        "year days": _phrase(
            "by_year_day", _numbered("by_year_day", " day"), f"{_NTHS}(?<=day)", _day_reader("by_year_day")
        ),
        "a year day": _phrase(
            "by_year_day", _numbered("by_year_day", " day", "or"), f"{_A_NTHS}(?<=day)", _day_reader("by_year_day")
        ),
        "months": _phrase("by_month", _write_months, series(MONTH), _reader("by_month", _month, range(1, 13))),
        "month": _phrase(
            "by_month",
            lambda rule: _write_months(rule) if len(rule.by_month) == 1 else None,
            MONTH,
            _reader("by_month", _month),
        ),
        "weeks": _phrase(
            "by_week_no",
            _write_weeks,
            rf"(?:week \d\d?|{NTH} week)(?: (?:to )?(?:(?:week )?\d\d?|{NTH} week))*",
            _reader("by_week_no", number_of),
        ),
        "positions": _phrase("by_set_pos", write_positions, f"{NTH}(?: {NTH})*", _reader("by_set_pos", number_of)),
        "unit": _phrase(
            "frequency",
            lambda rule: UNITS[rule.frequency],
            "(?:week|month|year)",
            lambda text: {"frequency": _FREQUENCIES[text]},
        ),
        "week start": _phrase(
            "week_start",
            lambda rule: WEEKDAYS[rule.week_start],
            DAY,
            lambda text: {"week_start": days[0]} if len(days := weekdays_of(text) or ()) == 1 else None,
        ),
        "until": _phrase("until", _write_until, r"[\w :-]+", _read_until),
        "times": _phrase(
            "count",
            lambda rule: None if rule.count is None else counted(rule.count, "time"),
            r"\d+ time",
            lambda text: {"count": int(text.removesuffix(" time"))},
        ),
    }
)
"""Every piece that a sentence is made of."""
