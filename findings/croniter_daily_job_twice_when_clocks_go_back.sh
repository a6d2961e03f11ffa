#!/usr/bin/env bash
# croniter: a daily job at 01:30 runs twice on the night when clocks go back; cron itself, and its peers, run it once.
#
# Guess: croniter, asked with a zone as its guide says, does as cron does: a job that names its hour runs once on each
#   day, whatever clocks do; a job of every hour runs every hour (25 times that day). A job at 02:30, a time that clocks
#   put forward leave out, runs at 03:30.
# Seen (croniter 7.0.0, cronsim 2.8, tzdata 2026.6, Python 3.11): "30 1 * * *" in New York runs at 01:30 -04:00 and once
#   more at 01:30 -05:00, an hour later; in Berlin "30 2 * * *" likewise; "15,45 1 * * *" runs four times. cronsim, for
#   the same expressions, runs them once (twice for two minutes). What falls into a gap runs when the gap ends, at 03:00,
#   half an hour early by the guess; cronsim does so too.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check croniter==7.0.0 cronsim==2.8 tzdata==2026.6

PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import takewhile
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim

packages = ("croniter", "cronsim", "tzdata")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")


def by_croniter(expression: str, begin: datetime) -> Iterator[datetime]:
    times = croniter(expression, begin)
    while True:
        yield times.get_next(datetime)


def on(day: datetime, times: Iterator[datetime]) -> str:
    end = (day + timedelta(days=1)).astimezone(UTC)
    return " ".join(f"{at:%H:%M%z}" for at in takewhile(lambda at: at.astimezone(UTC) < end, times))


def day(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


november, october, march = (
    day("2027-11-07", "America/New_York"), day("2027-10-31", "Europe/Berlin"), day("2027-03-14", "America/New_York"),
)
cases = (  # expression, day, guess, seen, and by cronsim
    ("30 1 * * *", november, "01:30-0400", "01:30-0400 01:30-0500", "01:30-0400"),
    ("15,45 1 * * *", november, "01:15-0400 01:45-0400", "01:15-0400 01:45-0400 01:15-0500 01:45-0500", "01:15-0400 01:45-0400"),
    ("30 2 * * *", october, "02:30+0200", "02:30+0200 02:30+0100", "02:30+0200"),
    ("30 2 * * *", march, "03:30-0400", "03:00-0400", "03:00-0400"),
)
different = []
for expression, begin, guess, described, of_peer in cases:
    before = begin - timedelta(minutes=1)
    seen, peer = on(begin, by_croniter(expression, before)), on(begin, CronSim(expression, before))
    print(f"{expression}, {begin:%Y-%m-%d} in {begin.tzinfo}\n  guess: {guess}\n  seen:  {seen}\n  cronsim: {peer}")
    if (seen, peer) != (described, of_peer):
        different.append((expression, str(begin.tzinfo)))
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
