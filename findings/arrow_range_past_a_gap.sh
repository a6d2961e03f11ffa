#!/usr/bin/env bash
# arrow: once one time of a range falls into a gap, all that follow are an hour late; what ends at a gap ends late.
#
# Guess: a range keeps its time of day as it keeps its day of the month (from January 31 on: 31, 28, 31), so only the
#   time that does not exist moves. A span ends where the next one begins. An hourly range has every hour.
# Seen (arrow 1.4.0, tzdata 2026.6, Python 3.11):
#   1. Daily 02:30 in New York is 03:30 on 2027-03-14 and on all days after it. Monthly from January 14 on as well.
#      Each time is made from the one before; for the day of the month alone arrow looks back at the first one.
#   2. The span "hour" of 01:15, just before the gap, ends with 03:59:59.999999. In Cairo, where the gap is at midnight,
#      the day before ends with 01:59:59.999999 of the next. So the first hour of summer time is in two spans.
#   3. range("hour") leaves out one of the two hours from 01:00 to 02:00 when clocks go back.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check arrow==1.4.0 tzdata==2026.6

PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from arrow import Arrow

print(f"arrow {version('arrow')}, tzdata {version('tzdata')}, Python {sys.version.split()[0]}")
new_york, cairo = "America/New_York", "Africa/Cairo"
different = []


def show(what: str, guess: list[str], seen: list[str], described: list[str]) -> None:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)


def times(frame: str, start: Arrow, count: int) -> list[str]:
    return [f"{time.datetime:%m-%d %H:%M}" for time in Arrow.range(frame, start, limit=count)]


def span(frame: str, time: Arrow) -> list[str]:
    return [f"{edge.datetime:%m-%d %H:%M:%S}" for edge in time.span(frame)]


daily, monthly = Arrow(2027, 3, 13, 2, 30, tzinfo=new_york), Arrow(2027, 1, 14, 2, 30, tzinfo=new_york)
show(
    "daily 02:30, New York",
    ["03-13 02:30", "03-14 03:30", "03-15 02:30", "03-16 02:30"],
    times("day", daily, 4),
    ["03-13 02:30", "03-14 03:30", "03-15 03:30", "03-16 03:30"],
)
show(
    "monthly 02:30 on the 14th, New York",
    ["01-14 02:30", "02-14 02:30", "03-14 03:30", "04-14 02:30", "05-14 02:30"],
    times("month", monthly, 5),
    ["01-14 02:30", "02-14 02:30", "03-14 03:30", "04-14 03:30", "05-14 03:30"],
)
month_ends = ["01-31 02:30", "02-28 02:30", "03-31 02:30"]
show("monthly on the 31st, New York", month_ends, times("month", monthly.replace(day=31), 3), month_ends)
show(
    "the hour of 01:15, New York 2027-03-14",
    ["03-14 01:00:00", "03-14 01:59:59"],
    span("hour", Arrow(2027, 3, 14, 1, 15, tzinfo=new_york)),
    ["03-14 01:00:00", "03-14 03:59:59"],
)
show(
    "the hour of 03:15, New York 2027-03-14",
    ["03-14 03:00:00", "03-14 03:59:59"],
    span("hour", Arrow(2027, 3, 14, 3, 15, tzinfo=new_york)),
    ["03-14 03:00:00", "03-14 03:59:59"],
)
show(
    "the day of noon, Cairo 2027-04-29",
    ["04-29 00:00:00", "04-29 23:59:59"],
    span("day", Arrow(2027, 4, 29, 12, tzinfo=cairo)),
    ["04-29 00:00:00", "04-30 01:59:59"],
)
show(
    "hourly, New York 2027-11-07",
    ["11-07 00:00", "11-07 01:00", "11-07 01:00", "11-07 02:00"],
    times("hour", Arrow(2027, 11, 7, tzinfo=new_york), 4),
    ["11-07 00:00", "11-07 01:00", "11-07 02:00", "11-07 03:00"],
)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
