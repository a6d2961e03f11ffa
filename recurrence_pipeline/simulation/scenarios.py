"""Which series are simulated: rules and policies, users and their zones; and what all of it comes to, as plain data."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import product
from multiprocessing import get_context
from os import cpu_count
from random import Random
from types import MappingProxyType
from typing import Any

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.content import SCHEMA_DEFAULTS
from recurrence_pipeline.domain.english import read, typed_rule
from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.instances import instances, is_instance
from recurrence_pipeline.domain.recurrence import CUSTOM, read_recurrence
from recurrence_pipeline.domain.rules import Rule
from recurrence_pipeline.domain.zones import UTC, time_zone
from recurrence_pipeline.simulation.backends import Backend, InMemory
from recurrence_pipeline.simulation.people import People
from recurrence_pipeline.simulation.simulator import Figures, simulate
from recurrence_pipeline.storage.documents import Document, object_id

DEFAULT_RULES = (
    "every day", "every weekday", "every 3 days", "every week", "every month", "the last Friday of every month",
    "every year",
)  # fmt: skip
DEFAULT_ZONE = "Europe/Berlin"
FIRST_DAY = datetime(2027, 1, 1, 9, tzinfo=UTC)
"""From which the first date is looked for, on the wall clock."""
FEW = 4
"""No more scenarios than these are worth the second that new processes take to begin."""
HEAD = "65920080" + "00" * 8


class Policy(str, Enum):
    """What becomes of a series that people fall behind with."""

    EACH = "each"
    LATEST = "latest"
    NEXT = "next"
    COMPLETION = "completion"


SAID: Mapping[Policy, dict[str, Any]] = MappingProxyType(
    {
        Policy.EACH: {},
        Policy.LATEST: {"missed": "latest"},
        Policy.NEXT: {"missed": "next"},
        Policy.COMPLETION: {"from": "completion"},
    }
)
"""What an original says for each policy."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A rule under a policy, as one user has it."""

    rule: Rule
    policy: Policy
    user: int
    zone: str
    years: int
    people: People
    seed: int

    @property
    def options(self) -> dict[str, Any]:
        """The subdocument `recurrence` of its original."""
        return {"rule": str(self.rule), **SAID[self.policy]}


def scenarios(  # noqa: PLR0913 (what can be asked for)
    rules: Sequence[str],
    policies: Sequence[Policy],
    zones: Sequence[str],
    *,
    users: int,
    years: int,
    late: float,
    seed: int,
) -> list[Scenario]:
    """Return a scenario for each rule, policy and user; zones are handed round among the users.

    Raises:
        InvalidRecurrence: a rule is none, or a zone.
    """
    people = People(late=late)
    found = [
        Scenario(typed_rule(rule), policy, user, zones[user % len(zones)], years, people, seed)
        for rule, policy, user in product(rules, policies, range(users))
    ]
    for each in found:
        time_zone(each.zone)
        read_recurrence(CUSTOM, each.options)
    return found


def run_scenario(scenario: Scenario, backend: Backend | None = None) -> Figures:
    """Live through the years of one scenario."""
    chance = Random(f"{scenario.seed} {scenario.rule} {scenario.user}")  # noqa: S311 - repeatable is the point
    wall = _first(scenario.rule)
    begin = in_utc(wall, time_zone(scenario.zone)) - timedelta(hours=1)
    return simulate(
        backend or InMemory(),
        original(scenario, begin),
        begin=begin,
        years=scenario.years,
        people=scenario.people,
        chance=chance,
    )


def _first(rule: Rule) -> datetime:
    return FIRST_DAY if is_instance(rule, FIRST_DAY) else next(instances(rule, FIRST_DAY), FIRST_DAY)


def original(scenario: Scenario, now: datetime) -> Document:
    """Return the original as an application stores it."""
    due = in_utc(_first(scenario.rule), time_zone(scenario.zone))
    return {
        "_id": object_id(derived_id(HEAD, str(scenario.rule), scenario.policy.value, scenario.user)),
        "userId": object_id(derived_id(HEAD, "user", scenario.user)),
        **SCHEMA_DEFAULTS,
        "title": read(scenario.rule) or str(scenario.rule),
        "repeatType": CUSTOM,
        "recurrence": scenario.options,
        "timezone": scenario.zone,
        "dueDate": due,
        "originalDueDate": due,
        "isCompleted": False,
        "parentTaskId": None,
        "parentRecurringId": None,
        "createdAt": now,
        "updatedAt": now,
    }


def run_all(wanted: Sequence[Scenario]) -> Iterator[tuple[Scenario, Figures]]:
    """Run scenarios in memory, on all cores where there are many, and yield each with what came of it, in order."""
    if len(wanted) <= FEW:
        yield from ((scenario, run_scenario(scenario)) for scenario in wanted)
        return
    # A fork is a copy of the threads' locks, too: a process that begins anew has none of them.
    with ProcessPoolExecutor(cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from zip(wanted, pool.map(run_scenario, wanted), strict=True)


def table(results: Sequence[tuple[Scenario, Figures]]) -> list[dict[str, Any]]:
    """Return a row for each rule and policy, with its users together: totals, and what was open on average."""
    grouped: dict[tuple[Rule, Policy], list[Figures]] = {}
    for scenario, figures in results:
        grouped.setdefault((scenario.rule, scenario.policy), []).append(figures)
    return [_row(rule, policy, found) for (rule, policy), found in grouped.items()]


def _row(rule: Rule, policy: Policy, found: Sequence[Figures]) -> dict[str, Any]:
    years = [replace(each) for each in found[0].years]
    for others in found[1:]:
        for year, other in zip(years, others.years, strict=True):
            year += other  # noqa: PLW2901 (added to in place)
    periods = [sum(open_) / len(found) for open_ in zip(*(each.open for each in found), strict=True)]
    totals = ("tasks", "completed", "deleted", "missed", "retired")
    return {
        "rule": str(rule),
        "words": read(rule),
        "policy": policy.value,
        "series": len(found),
        **{name: sum(getattr(each, name) for each in found) for name in totals},
        "open": sum(periods) / len(periods),
        "mostOpen": max(each.most_open for each in found),
        "documents": sum(year.documents for year in years),
        "bytes": sum(year.size for year in years),
        "openByQuarter": [round(each, 3) for each in periods],
        "byYear": [{"tasks": y.tasks, "documents": y.documents, "bytes": y.size} for y in years],
    }
