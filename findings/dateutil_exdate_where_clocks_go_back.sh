#!/usr/bin/env bash
# python-dateutil: an EXDATE in UTC takes out every occurrence but the one in the hour that comes twice.
#
# Guess: of a daily rule at 01:30 in New York, EXDATEs in UTC (RFC 5545 lets them be so) take out the occurrences of
#   these instants; an RDATE that is an instant of the rule adds nothing.
# Seen (python-dateutil 4.0.0, Python 3.11; 2.9.0.post0 the same, with zones of zoneinfo and of dateutil.tz): the
#   occurrence of 2027-11-07, when clocks go back, stays although its instant is excluded, and an RDATE doubles it.
#   The cause is the language: PEP 495 has a datetime whose offset depends on `fold` differ (==) from every datetime
#   of another zone, though it is neither before nor after it and their difference is zero. dateutil compares with ==.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check python-dateutil==4.0.0 tzdata==2026.6

PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, rrule, rruleset, rrulestr

print(f"python-dateutil {version('python-dateutil')}, tzdata {version('tzdata')}, Python {sys.version.split()[0]}")

text = """DTSTART;TZID=America/New_York:20271105T013000
RRULE:FREQ=DAILY;COUNT=4
EXDATE:20271106T053000Z,20271107T053000Z,20271108T063000Z"""
left = [f"{slot:%m-%d}" for slot in rrulestr(text)]
print(f"days left of Nov 5-8 when 6, 7 and 8 are excluded\n  guess: ['11-05']\n  seen:  {left}")

first = datetime(2027, 11, 5, 1, 30, tzinfo=ZoneInfo("America/New_York"))
united = rruleset()
united.rrule(rrule(DAILY, dtstart=first, count=4))
united.rdate(datetime(2027, 11, 7, 5, 30, tzinfo=UTC))
slots = [f"{slot.astimezone(UTC):%m-%d %H:%MZ}" for slot in united]
guess = ["11-05 05:30Z", "11-06 05:30Z", "11-07 05:30Z", "11-08 06:30Z"]
print(f"instants with an RDATE that the rule has already\n  guess: {guess}\n  seen:  {slots}")

local = first.replace(day=7)
utc = local.astimezone(UTC)
relation = {"==": local == utc, "<": local < utc, ">": local > utc, "difference": str(local - utc)}
print(f"the cause, {local} and {utc}: {relation}")

described = (
    left == ["11-05", "11-07"]
    and slots == [*guess[:3], guess[2], guess[3]]
    and relation == {"==": False, "<": False, ">": False, "difference": "0:00:00"}
)
sys.exit(0 if described else "No longer as described")
PYTHON
