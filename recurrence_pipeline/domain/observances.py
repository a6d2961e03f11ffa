"""When the clocks of a zone change, as the observances of RFC 5545, section 3.6.5, say it. Pure.

Changes that come every year on the same weekday of a month, such as the last Sunday in March, are a rule for ever; all
others are dates, from 1970 to 2060. What a zone's clocks show at a time is zones.py's.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from recurrence_pipeline.domain.named_days import days_in_month
from recurrence_pipeline.domain.rules import WEEKDAYS
from recurrence_pipeline.domain.zones import UTC

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2061, 1, 1, tzinfo=UTC)
STEP = timedelta(days=3)
"""No zone ever changed its clocks and changed them back in less than four days."""
YEARS_OF_A_RULE = 20
"""How long changes must have come by a rule, up to the last year, to be told as one."""

_SECOND = timedelta(seconds=1)
_ZERO = timedelta(0)


class Offset(NamedTuple):
    """What clocks are ahead of UTC, what that is called, and whether it is summer time."""

    ahead: timedelta
    name: str
    is_daylight: bool


class Observance(NamedTuple):
    """A change of the clocks. `starts` are its times on the clocks before it; `rule` has them go on for ever."""

    before: timedelta
    after: Offset
    starts: Sequence[datetime]
    rule: str | None = None


@lru_cache(maxsize=1024)
def observances(zone: tzinfo) -> tuple[Observance, ...]:
    """Return the observances of a zone, the one that holds in the beginning first."""
    found: dict[tuple[timedelta, Offset], list[datetime]] = defaultdict(list)
    for instant, before in _changes(zone):
        found[before, _shown(zone, instant)].append((instant + before).replace(tzinfo=None))
    begin = _shown(zone, FIRST)
    first = Observance(begin.ahead, begin, [(FIRST + begin.ahead).replace(tzinfo=None)])
    return (first, *(part for change, starts in found.items() for part in _observances(*change, starts)))


def _changes(zone: tzinfo) -> Iterator[tuple[datetime, timedelta]]:
    """Yield the instants at which clocks change, with what they were ahead of UTC before."""
    time, ahead = FIRST, _ahead(zone, FIRST)
    while time < LAST:
        following = _ahead(zone, time + STEP)
        if following != ahead:
            yield _instant(zone, time, ahead), ahead
        time, ahead = time + STEP, following


def _instant(zone: tzinfo, low: datetime, before: timedelta) -> datetime:
    high = low + STEP
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if _ahead(zone, middle) == before else (low, middle)
    return high


def _ahead(zone: tzinfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or _ZERO


def _shown(zone: tzinfo, instant: datetime) -> Offset:
    local = instant.astimezone(zone)
    return Offset(local.utcoffset() or _ZERO, local.tzname() or "", bool(local.dst()))


def _observances(before: timedelta, after: Offset, starts: list[datetime]) -> Iterator[Observance]:
    many = len(starts)
    ordinals, ruled = {1, 2, 3, 4, -1}, many
    if starts[-1].year == LAST.year - 1:
        while ruled and (left := ordinals & _ordinals(starts[ruled - 1])) and _follow(starts[ruled - 1 : ruled + 1]):
            ordinals, ruled = left, ruled - 1
    if many - ruled < YEARS_OF_A_RULE:
        yield Observance(before, after, starts)
        return
    if ruled:
        yield Observance(before, after, starts[:ruled])
    begin = starts[ruled]
    day = f"{max(ordinals)}{WEEKDAYS[begin.weekday()]}"
    yield Observance(before, after, [begin], f"FREQ=YEARLY;BYMONTH={begin.month};BYDAY={day}")


def _ordinals(start: datetime) -> set[int]:
    """Return which weekday of its kind in the month a day is, from the beginning and from the end."""
    is_last = start.day + 7 > days_in_month(start.year, start.month)
    return {(start.day + 6) // 7} | ({-1} if is_last else set())


def _follow(pair: Sequence[datetime]) -> bool:
    """Say whether the second of two times is a year later than the first, at the same time of the same weekday."""
    if len(pair) < 2:
        return True
    one, other = ((each.month, each.weekday(), each.time()) for each in pair)
    return one == other and pair[0].year + 1 == pair[1].year
