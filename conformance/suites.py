"""The suites, each put to our own engine: how many cases pass, and why the others do not."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from conformance.against_dateutil import Comparison
from conformance.dateutil_tests import Case, cases, fetch
from conformance.differences import READINGS, Difference, reading_of
from conformance.examples import Example, of_rfc_5545, of_rfc_7529
from conformance.peers import NotInstalled
from recurrence_pipeline.domain.calendar import timed
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.rules import Rule, parse_rule

NEW_YORK = ZoneInfo("America/New_York")
REASONS = {
    "a time more often than daily": "A FREQ of HOURLY or less, BYHOUR, BYMINUTE and BYSECOND are refused: a task "
    "repeats by the day, at the time of its first date.",
    "BYEASTER": "It is dateutil's own part, of no RFC.",
    "forbidden by the RFC": "BYWEEKNO and BYYEARDAY beside a FREQ other than YEARLY, BYMONTHDAY beside WEEKLY, a "
    "numbered BYDAY beside DAILY or WEEKLY: RFC 5545 says MUST NOT, and they are refused.",
    "BYWEEKDAY": "It is dateutil's own name of BYDAY.",
    "microseconds": "A time of RFC 5545 has none; an anchor that has some keeps them, as every slot does.",
    "DTSTART that is not on the rule": "It is slot 0 here and counts towards COUNT (RFC 5545: DTSTART always counts as "
    "the first occurrence); dateutil leaves it out. These cases pass: what follows DTSTART is the same.",
} | {reading.name: reading.reason for reading in READINGS}
"""Of each kind of difference: why."""


@dataclass(slots=True)
class Suite:
    """What came of a suite; `missing` says why it could not be run.

    A rule that is refused names its part and value; the others that do not pass are read otherwise.
    """

    name: str
    cases: int = 0
    passed: int = 0
    refused: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    missing: str = ""


def ours(example: Example) -> list[datetime]:
    """Return what our engine finds of an example."""
    return slots(parse_rule(example.rule), example.start, 0, example.count, NEW_YORK)


def slots(rule: Rule, start: datetime, first: int, count: int, zone: tzinfo = timezone.utc) -> list[datetime]:
    """Return slots on the wall clock, of a start on it, as the worker finds them."""
    found = timed(start.replace(tzinfo=timezone.utc), rule, first, count, zone)
    return [at.replace(tzinfo=None) for at, _ in found]


def rfc_suites() -> list[Suite]:
    """Run the examples of both RFCs."""
    return [
        _examples("RFC 5545, section 3.8.5.3: every example with a FREQ of DAILY or more", of_rfc_5545()),
        _examples("RFC 7529: the examples in the Gregorian calendar, and each SKIP", of_rfc_7529()),
    ]


def _examples(name: str, found: Iterable[Example]) -> Suite:
    suite = Suite(name)
    for example in found:
        suite.cases += 1
        try:
            passes = example.passes(ours(example))
        except InvalidRecurrence as error:
            _refused(suite, f"{example.name}: {error}", error)
            continue
        suite.passed += passes
        if not passes:
            suite.unexplained.append(example.name)
    return suite


def dateutil_suite(folder: Path) -> Suite:
    """Run the rules of dateutil's own tests."""
    suite = Suite("the rules in the tests of python-dateutil 2.9.0.post0")
    try:
        source = fetch(folder)
    except NotInstalled as reason:
        suite.missing = str(reason)
        return suite
    for case in cases(source):
        suite.cases += 1
        _case(suite, case)
    return suite


def _case(suite: Suite, case: Case) -> None:
    try:
        rule = parse_rule(case.rule)
    except InvalidRecurrence as error:
        _refused(suite, f"{case.name}: {error}", error)
        return
    wanted = [time for time in case.wanted if time > case.start]
    found = slots(replace(rule, count=None), case.start, 1, len(wanted) + (rule.until is not None))
    if found == wanted:
        suite.passed += 1
        suite.differences["DTSTART that is not on the rule"] += case.start not in case.wanted
    elif case.start.microsecond:
        suite.differences["microseconds"] += 1
    else:
        difference = Difference(rule, case.start, found, wanted, case.wanted[-1])
        _explain(suite, case.name, difference)


def _explain(suite: Suite, name: str, difference: Difference) -> None:
    reading = reading_of(difference)
    if reading is None:
        suite.unexplained.append(f"{name}: {difference.rule} from {difference.start}")
    else:
        suite.differences[reading.name] += 1


def _refused(suite: Suite, what: str, error: InvalidRecurrence) -> None:
    """Count a rule that is refused under what it is refused for."""
    text = str(error)
    suite.refused += 1
    for sign, name in (
        ("HOUR", "a time more often than daily"), ("MINUTE", "a time more often than daily"),
        ("SECOND", "a time more often than daily"), ("BYEASTER", "BYEASTER"), ("BYWEEKDAY", "BYWEEKDAY"),
        ("not allowed with FREQ", "forbidden by the RFC"),
    ):  # fmt: skip
        if sign in text:
            suite.differences[name] += 1
            return
    suite.unexplained.append(what)


def random_suite(found: Comparison) -> Suite:
    """Return what came of random rules as a suite."""
    return Suite(
        "random rules, against python-dateutil 2.9.0.post0",
        cases=found.rules,
        passed=found.agreed,
        differences=found.differences,
        unexplained=found.unexplained,
    )
