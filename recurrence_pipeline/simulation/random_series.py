"""Random originals: a rule of any kind, what may stand beside it, a zone, a first date; all of it from a seed. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Any

from recurrence_pipeline.domain.calendar import in_utc, timed
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.recurrence import read_recurrence
from recurrence_pipeline.domain.rules import WEEKDAYS
from recurrence_pipeline.domain.zones import UTC, time_zone
from recurrence_pipeline.simulation.random_rules import random_rule

USER = "aa" * 12
ORIGINAL = "65920080" + "01" * 8

FIRST_DAY = datetime(2011, 12, 1, tzinfo=UTC)
DAYS = 20 * 365
CLOCKS = ((9, 0), (17, 30), (0, 0), (23, 59), (2, 30), (1, 30))
"""The last two lie where most zones leave out an hour, or have it twice."""
NEAR_CHANGES = ((2027, 3, 12), (2027, 3, 26), (2026, 10, 30), (2027, 10, 28), (2011, 12, 27), (2027, 1, 31))
"""Days shortly before clocks change, before the day that Apia never had, and a month's last."""

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
    "America/St_Johns", "Asia/Kathmandu",
)  # fmt: skip
COMMON_RULES = (
    "FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=MO,WE,FR",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "FREQ=MONTHLY;SKIP=BACKWARD", "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "FREQ=YEARLY;SKIP=BACKWARD",
)  # fmt: skip
PLAIN_WORDS = ("daily", "weekly", "monthly", "yearly")
NEAR = 14
"""So many slots from the first on may be excluded, paused or told apart from by an added date."""


def random_original(chance: Random) -> Task:
    """Return an original that may recur; half of them say nothing but a word, as nearly all people do."""
    while True:
        zone = chance.choice(ZONES)
        wall = _first(chance)
        try:
            due = in_utc(wall, time_zone(zone))
            word, options = _said(chance, wall)
        except InvalidRecurrence:  # a rule that falls on no day
            continue
        created = due - timedelta(hours=chance.randint(1, 24 * 20))
        return Task(
            id=ORIGINAL,
            user_id=USER,
            title="Water the plants",
            repeat_type=word,
            due_date=due,
            original_due_date=due,
            created_at=created,
            updated_at=created,
            timezone=zone,
            recurrence=options,
            content={"title": "Water the plants"},
        )


def edited(original: Task, chance: Random, wall: datetime) -> Task:
    """Return an original of which somebody changed the rule, the options, and the title."""
    while True:
        try:
            word, options = _said(chance, wall, common=1)  # a rare one takes seconds to be looked through
        except InvalidRecurrence:
            continue
        content = {"title": "Water the trees"}
        return replace(original, repeat_type=word, recurrence=options, content=content, title=content["title"])


def _first(chance: Random) -> datetime:
    hour, minute = chance.choice(CLOCKS)
    if chance.random() < 0.3:
        return datetime(*chance.choice(NEAR_CHANGES), hour, minute, tzinfo=UTC)
    return FIRST_DAY + timedelta(days=chance.randrange(DAYS), hours=hour, minutes=minute)


def _said(chance: Random, wall: datetime, *, common: float = 0.8) -> tuple[str, dict[str, Any] | None]:
    if chance.random() < 0.2:
        return chance.choice(PLAIN_WORDS), None
    rule = chance.choice(COMMON_RULES) if chance.random() < common else random_rule(chance)
    if chance.random() < 0.2:
        end = wall.date() + timedelta(days=chance.randint(1, 200))
        rule += f";COUNT={chance.randint(1, 9)}" if chance.random() < 0.5 else f";UNTIL={end:%Y%m%d}"
    options: dict[str, Any] = {"rule": rule}
    slots = _slots(rule, wall)
    for name, draw in OPTIONS.items():
        if chance.random() < 0.2:
            options[name] = draw(chance, slots)
    if chance.random() < 0.2:
        options = {n: value for n, value in options.items() if n not in NOT_FROM_COMPLETION} | {"from": "completion"}
    recurrence = read_recurrence("custom", options)
    if all(recurrence.moved(at) is None for at in slots[1:]):
        raise InvalidRecurrence("all of its days are off", field="shift", value=rule)
    return "custom", options


def _slots(rule: str, wall: datetime) -> list[datetime]:
    """Return the first slots, on the wall clock.

    Raises:
        InvalidRecurrence: there is none after the first.
    """
    parsed = read_recurrence("custom", {"rule": rule}).rule
    found = [at for at, _ in timed(wall, parsed.without_end(), 0, NEAR, UTC)]
    if len(found) < NEAR:
        raise InvalidRecurrence("it falls on no day", field="rule", value=rule)
    return found


def _horizon(chance: Random, _: list[datetime]) -> int:
    return chance.randint(1, 6)


def _excluded(chance: Random, slots: list[datetime]) -> list[str]:
    found = chance.sample(slots, chance.randint(1, 4))
    return [f"{at:%Y-%m-%d}" if chance.random() < 0.5 else f"{at:%Y-%m-%dT%H:%M}" for at in found]


def _added(chance: Random, slots: list[datetime]) -> list[str]:
    begin, days = slots[0], (slots[-1] - slots[0]).days + 3
    found = [begin + timedelta(days=chance.randint(-2, days)) for _ in range(chance.randint(1, 3))]
    return [f"{at:%Y-%m-%d}" if chance.random() < 0.5 else f"{at:%Y-%m-%d}T15:30" for at in found]


def _missed(chance: Random, _: list[datetime]) -> str:
    return chance.choice(("latest", "next"))


def _paused(chance: Random, slots: list[datetime]) -> list[dict[str, str]]:
    begin = chance.choice(slots)
    end = begin + timedelta(days=chance.randint(0, 40))
    pause = {"from": f"{begin:%Y-%m-%d}", "until": f"{end:%Y-%m-%d}"}
    return [pause if chance.random() < 0.8 else {"from": pause["from"]}]


def _shift(chance: Random, _: list[datetime]) -> dict[str, Any]:
    shift: dict[str, Any] = {"to": chance.choice(("previous", "next", "skip"))}
    if chance.random() < 0.3:
        shift["workdays"] = sorted(chance.sample(WEEKDAYS, chance.randint(1, 6)))
    return shift


NOT_FROM_COMPLETION = ("horizon", "missed", "added")
"""What has no meaning where the next date is counted from a completion."""
OPTIONS: Mapping[str, Callable[[Random, list[datetime]], Any]] = MappingProxyType(
    {
        "horizon": _horizon,
        "excluded": _excluded,
        "added": _added,
        "missed": _missed,
        "paused": _paused,
        "shift": _shift,
    }
)
"""What a random original may say besides its rule, each in a fifth of the cases."""
