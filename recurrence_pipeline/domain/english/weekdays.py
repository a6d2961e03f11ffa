"""Phrases for weekdays: plain ones, the first or last of a month, and those that are chosen from several. Pure."""

import re
from typing import Any

from recurrence_pipeline.domain.english.vocabulary import (
    DAY,
    GROUPS,
    NTH,
    WEEKDAYS,
    from_front,
    listed,
    nth_word,
    number_of,
    spread,
)
from recurrence_pipeline.domain.rules import Rule, WeekdayNum

Fields = dict[str, Any]
"""Fields of a `Rule`, and their values."""


def _plain(rule: Rule) -> tuple[int, ...] | None:
    return None if not rule.by_day or any(day.ordinal for day in rule.by_day) else tuple(d.weekday for d in rule.by_day)


def write_weekdays(rule: Rule) -> str | None:
    """Return `Monday and Thursday`, `weekdays`."""
    days = _plain(rule)
    if days is None:
        return None
    return "weekdays" if days == GROUPS["weekday"] else listed([WEEKDAYS[day] for day in days])


def write_a_weekday(rule: Rule) -> str | None:
    """Return `a Monday or Thursday`."""
    days = _plain(rule)
    if days is None:
        return None
    return "a weekday" if days == GROUPS["weekday"] else f"a {listed([WEEKDAYS[day] for day in days], 'or')}"


def weekdays_of(text: str) -> tuple[int, ...] | None:
    """Return the weekdays that words name, 0 is Monday."""
    for group, days in GROUPS.items():
        text = re.sub(rf"\b{group}\b", " ".join(WEEKDAYS[day].lower() for day in days), text)
    return spread(text, [name.lower() for name in WEEKDAYS].index, range(7))


def read_weekdays(text: str) -> Fields | None:
    """Read `monday thursday`, `monday or thursday`, `monday to friday`."""
    days = weekdays_of(text.replace(" or ", " "))
    return None if days is None else {"by_day": tuple(map(WeekdayNum, days))}


def _by_weekday(rule: Rule) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for day in rule.by_day:
        found.setdefault(day.weekday, []).append(day.ordinal)
    return found


def _nth_weekday(weekday: int, ordinals: list[int], word: str) -> list[str]:
    numbered = [nth_word(number) for number in from_front(number for number in ordinals if number)]
    every = [f"every {WEEKDAYS[weekday]}"] if 0 in ordinals else []
    return every + ([f"the {listed(numbered, word)} {WEEKDAYS[weekday]}"] if numbered else [])


def write_nth_weekdays(rule: Rule) -> str | None:
    """Return `every Monday and the first and third Tuesday`."""
    if not rule.by_day:
        return None
    if _plain(rule) == GROUPS["weekday"]:
        return "every weekday"
    return listed([part for day, each in _by_weekday(rule).items() for part in _nth_weekday(day, each, "and")])


def write_a_nth_weekday(rule: Rule) -> str | None:
    """Return `the first or third Tuesday`; None where every one of a weekday is meant."""
    if not rule.by_day or not all(day.ordinal for day in rule.by_day):
        return None
    return listed([part for day, each in _by_weekday(rule).items() for part in _nth_weekday(day, each, "or")], "or")


def read_nth_weekdays(text: str) -> Fields | None:
    """Read `every monday 1st 3rd tuesday`."""
    found = set()
    for part in re.finditer(rf"((?:{NTH} )+|every )({DAY})", text.replace(" or ", " ")):
        if part[2] in GROUPS and part[1] != "every ":
            return None
        numbers = [0] if part[1] == "every " else [number_of(word) for word in part[1].split()]
        found |= {WeekdayNum(day, number) for day in weekdays_of(part[2]) or () for number in numbers}
    return {"by_day": tuple(sorted(found))}


def write_chosen(rule: Rule) -> str | None:
    """Return `the last working day`, `the first of the Mondays and Tuesdays`."""
    days = _plain(rule)
    if days is None or not rule.by_set_pos:
        return None
    groups = {GROUPS["weekday"]: "working day", GROUPS["weekendday"]: "weekend day"}
    what = groups.get(days) or f"of the {listed([f'{WEEKDAYS[day]}s' for day in days])}"
    return f"{write_positions(rule)} {what}"


def read_chosen(text: str) -> Fields | None:
    """Read `last weekday`, `1st of monday tuesday`, `1st monday or tuesday`."""
    found = re.fullmatch(rf"((?:{NTH} )+)(?:of )?(.+)", text)
    days = read_weekdays(found[2]) if found else None
    return None if found is None or days is None else days | {"by_set_pos": spread(found[1], number_of)}


def write_positions(rule: Rule) -> str | None:
    """Return `the first and last`."""
    return f"the {listed([nth_word(number) for number in from_front(rule.by_set_pos)])}" if rule.by_set_pos else None
