"""Sentences: a rule in English, and English as a rule, by one table. Pure; a rule's words are written nowhere else.

`parse(read(rule)) == rule` for every rule that has a sentence. Each line of `CORES` is a kind of rule, each of
`CLAUSES` something that may be said besides. Pieces such as "Monday and Thursday" are phrases.py's; other words for
the same are spelling.py's, and what may mean two things is ambiguities.py's.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from types import MappingProxyType

from recurrence_pipeline.domain.english.ambiguities import impossible, readings, why_not
from recurrence_pipeline.domain.english.phrases import UNITS
from recurrence_pipeline.domain.english.spelling import spelled
from recurrence_pipeline.domain.english.templates import Template
from recurrence_pipeline.domain.english.vocabulary import DAY
from recurrence_pipeline.domain.english.weekdays import Fields
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.rules import LONGEST, Frequency, Rule, Skip, parse_rule

_DEFAULTS = {field.name: field.default for field in fields(Rule) if field.default is not MISSING}
_SHORTEST = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Core:
    """A kind of rule: what is said of its days, and which clauses may follow."""

    frequency: Frequency
    days: Template
    clauses: frozenset[str] = frozenset()
    missing: str = ""
    """Of what its days may be missing: `anchor`, `by_month_day` or `by_year_day`; they cannot where that is empty."""
    implied: bool = False
    """The day is the anchor's, and nothing is said of it: it is the last one where it is missing."""
    alone: bool = False
    """It may be typed without its `every month`."""


def _core(frequency: Frequency, days: str, clauses: str = "", missing: str = "", **more: bool) -> Core:
    return Core(frequency, Template(days), frozenset(clauses.split()), missing, **more)


_D, _W, _M, _Y = Frequency.DAILY, Frequency.WEEKLY, Frequency.MONTHLY, Frequency.YEARLY

CORES: tuple[Core, ...] = (
    _core(_D, "", "weekday monthday months"),
    _core(_W, "", "months positions"),
    _core(_W, "{chosen}"),
    _core(_W, "{weekdays}", "months positions", alone=True),
    _core(_M, "", "months positions", "anchor", implied=True),
    _core(_M, "the same day", "months positions", "anchor"),
    _core(_M, "{days}", "weekday nth-in-month months positions", "by_month_day", alone=True),
    _core(_M, "{chosen}", "months", alone=True),
    _core(_M, "{nth weekdays}", "months positions", alone=True),
    _core(_Y, "", "positions", "anchor", implied=True),
    _core(_Y, "in {months}", "positions", "anchor", implied=True, alone=True),
    _core(_Y, "the same day", "positions", "anchor"),
    _core(_Y, "the same day of {months}", "positions", "anchor"),
    _core(_Y, "{month day}", "weekday nth-in-month positions", "by_month_day", alone=True),
    _core(_Y, "{days} of {months}", "weekday nth-in-month positions", "by_month_day", alone=True),
    _core(_Y, "{days} of every month", "weekday nth-in-year positions", "by_month_day"),
    _core(_Y, "{year days}", "months weekday nth-in-month nth-in-year monthday positions", "by_year_day"),
    _core(_Y, "{chosen} of {month}", alone=True),
    _core(_Y, "{chosen}"),
    _core(_Y, "{nth weekdays} of {months}", "positions", alone=True),
    _core(_Y, "{nth weekdays}", "positions"),
    _core(_Y, "{weekdays} of {weeks}", "months monthday yearday positions", alone=True),
    _core(_Y, "the same weekday of {weeks}", "months monthday yearday positions", alone=True),
)

SKIPS: Mapping[Skip, Template] = MappingProxyType(
    {
        Skip.OMIT: Template(", where there is one"),
        Skip.BACKWARD: Template(", or the last day of a shorter one"),
        Skip.FORWARD: Template(", or the first day after a shorter one"),
    }
)
"""What becomes of a day that a month, or a year, does not have."""

CLAUSES: Mapping[str, Template] = MappingProxyType(
    {
        "months": Template(", only in {months}"),
        "weekday": Template(", if it is {a weekday}"),
        "nth-in-month": Template(", if it is {a nth weekday} of the month"),
        "nth-in-year": Template(", if it is {a nth weekday} of the year"),
        "monthday": Template(", if it is {a day} of the month"),
        "yearday": Template(", if it is {a year day} of the year"),
        "positions": Template(", only {positions} of each {unit}"),
        "until": Template(" until {until}"),
        "times": Template(", {times} in all"),
        "start": Template(", weeks starting on {week start}"),
    }
)
"""In the order in which they are said, which is that in which a rule's parts apply."""

Cut = tuple[str, dict[str, Fields], Skip | None]
"""Words, the clauses that stood behind them with their fields, and what these said of days that are missing."""

_ALWAYS = frozenset({"start", "until", "times"})
_TYPED = (("months", Template("in {months}")), ("months", Template("{months}")))
"""Clauses as people shorten them."""


def read(rule: Rule) -> str | None:
    """Return a rule as an English sentence; None for one that has none that is true and says all of it.

    Without a sentence are rules with a part that changes nothing (SKIP of a weekly rule), with days so counted that
    English has no words for them (SKIP=BACKWARD for the 31st-last day), and those of more than 1000 letters.
    """
    for core in CORES:
        sentence = _written(core, rule)
        if sentence is not None:
            return sentence if len(sentence) <= LONGEST else None
    return None


def parse(words: str) -> Rule:
    """Return the rule that English words mean.

    Raises:
        InvalidRecurrence: they are not understood (the words are named), or may mean two rules (both are named).
    """
    if not isinstance(words, str) or len(words) > LONGEST:
        raise _refused(words if not isinstance(words, str) else f"{words[:40]}…", "is no sentence of a rule")
    spelt = spelled(words)
    if why := impossible(words):
        raise _refused(words, why)
    if two := readings(words, spelt):
        one, other = (read(next(_meant(spelled(each)))[0]) for each in two[:2])
        raise _ambiguous(words, one, other, two[2])
    for meant, skip in _meant(spelt):
        if meant.interval < 1:
            raise _refused(words, "repeats every 0 of something")
        rule = parse_rule(str(meant))
        if skip is None and _may_miss(rule):
            raise _ambiguous(words, read(rule), read(replace(rule, skip=Skip.BACKWARD)))
        return rule
    raise _refused(words, why_not(words, spelt))


def typed_rule(text: object) -> Rule:
    """Return the rule that a text says: an RRULE value, or English words, which repeat types such as `monthly` are.

    Raises:
        InvalidRecurrence: it is none of them.
    """
    if isinstance(text, str) and text.strip() and "=" not in text:
        return parse(text)
    return parse_rule(text)  # type: ignore[arg-type] # what is no text is refused there


def _ambiguous(words: str, one: str | None, other: str | None, kind: str = "") -> InvalidRecurrence:
    return _refused(words, f"may mean {one!r} or {f'{kind}, as in ' if kind else ''}{other!r}: say which")


def _refused(words: object, why: str) -> InvalidRecurrence:
    return InvalidRecurrence(f"rule: {words!r} {why}", field="rule", value=words)


# Writing


def _written(core: Core, rule: Rule) -> str | None:
    days = core.days.write(rule) if core.frequency is rule.frequency else None
    clauses, skip = _clauses(core, rule), _skip_clause(core, rule)
    if days is None or clauses is None or skip is None:
        return None
    said = [CLAUSES[name].write(rule) or "" for name in clauses]
    said.insert(1 if rule.frequency is Frequency.MONTHLY and "months" in clauses else 0, skip)
    return _arranged(rule, days) + "".join(said)


def _arranged(rule: Rule, days: str) -> str:
    unit, interval = UNITS[rule.frequency], rule.interval
    every = f"every {unit}" if interval == 1 else f"every {interval} {unit}s"
    if not days or days.startswith("in "):
        return f"{every} {days}".strip()
    if interval == 1 and days.startswith(("the ", "every ")) and " of " not in days:
        return f"{days} of {every}"
    if interval == 1 and rule.frequency is Frequency.WEEKLY and not rule.by_set_pos:
        return f"every {'weekday' if days == 'weekdays' else days}"
    return f"{every} on {days}"


def _clauses(core: Core, rule: Rule) -> list[str] | None:
    """Return the clauses that say what the core leaves unsaid; None where some of it cannot be said."""
    unsaid = {name for name, default in _DEFAULTS.items() if getattr(rule, name) != default}
    unsaid -= core.days.fields | {"interval", "skip"}
    names = []
    for name, template in CLAUSES.items():
        if name in core.clauses | _ALWAYS and template.fields <= unsaid and _is_said(name, rule):
            names.append(name)
            unsaid -= template.fields
    return None if unsaid else names


def _is_said(name: str, rule: Rule) -> bool:
    """Say whether a clause has words for this rule, and they count what the rule counts."""
    if name.startswith("nth"):
        in_month = rule.frequency is Frequency.MONTHLY or bool(rule.by_month)
        if in_month != (name == "nth-in-month") or rule.skip is not Skip.OMIT:
            return False
    return CLAUSES[name].write(rule) is not None


def _skip_clause(core: Core, rule: Rule) -> str | None:
    """Return what is said of days that a month or year does not have; None where it cannot be said."""
    if not core.missing or core.implied:
        return "" if rule.skip is (Skip.BACKWARD if core.implied else Skip.OMIT) else None
    if core.missing == "anchor":
        return None if rule.skip is Skip.BACKWARD else SKIPS[rule.skip].write(rule)
    if rule.skip is Skip.OMIT and not _may_miss(rule):
        return ""
    always = 365 if core.missing == "by_year_day" else 28
    counted_from_end = any(day < -always for day in getattr(rule, core.missing))
    return None if counted_from_end and rule.skip is not Skip.OMIT else SKIPS[rule.skip].write(rule)


def _may_miss(rule: Rule) -> bool:
    """Say whether some month or year does not have a day that a rule names by its number."""
    if rule.by_year_day:
        return any(abs(day) > 365 for day in rule.by_year_day)
    shortest = min(_SHORTEST[month] for month in rule.by_month or (2,))
    return any(abs(day) > shortest for day in rule.by_month_day)


# Reading


def _meant(words: str) -> Iterator[tuple[Rule, Skip | None]]:
    """Yield the rules that spelled words may mean, the likeliest first; with what they say of missing days."""
    for rest, said, skip in _cut(words, {}, None):
        for core, known in _cores(rest):
            given = {name: value for each in said.values() for name, value in each.items()}
            if any(known[name] != given[name] for name in known.keys() & given.keys()) or (skip and not core.missing):
                continue
            settled = skip or (Skip.BACKWARD if core.missing == "anchor" else None if core.missing else Skip.OMIT)
            rule = Rule(**(given | known | {"skip": settled or Skip.OMIT}))
            if _clauses(core, rule) == [name for name in CLAUSES if name in said]:
                yield rule, settled


def _cut(words: str, said: dict[str, Fields], skip: Skip | None) -> Iterator[Cut]:
    """Yield words with fewer and fewer of the clauses at their end, and the clauses that were cut off."""
    yield words, said, skip
    for each, template in SKIPS.items() if skip is None else ():
        for rest, _ in template.cut(words):
            yield from _cut(rest, said, each)
    for name, template in (*CLAUSES.items(), *_TYPED):
        for rest, known in template.cut(words) if name not in said else ():
            yield from _cut(rest, said | {name: known}, skip)


def _cores(words: str) -> Iterator[tuple[Core, Fields]]:
    """Yield the kinds of rules that words without clauses may be, with their fields."""
    found = re.fullmatch(r"every (?:(\d+) )?(day|week|month|year)(?: (.+))?", words)
    turned = re.fullmatch(r"(.+?)(?: of)? every (?:(\d+) )?(week|month|year)", words)
    forms = [(found[2], found[1], found[3] or "")] if found else []
    if turned:
        forms += [(turned[3], turned[2], days) for days in (turned[1], turned[1].removeprefix("every "))]
    for unit, interval, days in forms:
        for core in CORES:
            known = core.days.read(days) if UNITS[core.frequency] == unit else None
            if known is not None:
                yield core, known | {"frequency": core.frequency, "interval": int(interval or 1)}
    several = re.fullmatch(rf"every {DAY}(?: every {DAY})+", words)
    bare = words.replace("every ", "") if several else words.removeprefix("every ")
    for core in CORES if not found else ():
        known = core.days.read(bare) or core.days.read(f"of {bare}") if core.alone else None
        if known is not None:
            yield core, known | {"frequency": core.frequency, "interval": 1}
