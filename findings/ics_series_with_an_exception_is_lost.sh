#!/usr/bin/env bash
# ics (Ics.py): of a recurring to-do of which one time is done, only that one is left; another changes its zone.
#
# Guess: a calendar that is read and written again is the same: a to-do with a rule, and beside it the one time that was
#   done (same UID, with RECURRENCE-ID), as RFC 5545 has them and every program for tasks exports them. "Weekly at 09:00
#   in New York" stays at 09:00.
# Seen (ics 0.7.3, python-dateutil 2.9.0.post0, tzdata 2026.6, Python 3.11):
#   1. Two parts with one UID count as one: what comes last is kept. The rule is gone, and so are all times but the one.
#   2. DTSTART and DUE are written in UTC, RRULE as it was: from the change of clocks on the series is at 10:00.
#   3. A date without time (DUE;VALUE=DATE) becomes midnight in UTC, which is the day before in New York.
#   The RECURRENCE-ID and the rule are kept, among what Ics.py does not know and hands on.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ics==0.7.3 python-dateutil==2.9.0.post0 tzdata==2026.6

PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from ics import Calendar

packages = ("ics", "python-dateutil", "tzdata")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
ZONE = """BEGIN:VTIMEZONE
TZID:America/New_York
BEGIN:STANDARD
DTSTART:20071104T020000
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20070311T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
END:DAYLIGHT
END:VTIMEZONE"""


def todo(*lines: str) -> str:
    return "\n".join(("BEGIN:VTODO", "UID:1@example.org", "DTSTAMP:20270101T000000Z", "SUMMARY:Bins", *lines, "END:VTODO"))


def written(*parts: str) -> list[str]:
    """What is written of a calendar that was read."""
    text = "\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//EN", ZONE, *parts, "END:VCALENDAR", ""))
    return Calendar(text.replace("\n", "\r\n")).serialize().splitlines()


def values(lines: list[str], name: str) -> str:
    return ", ".join(line.partition(":")[2] for line in lines if line.startswith(name)) or "none"


zone = ZoneInfo("America/New_York")
weekly = todo("DTSTART;TZID=America/New_York:20270308T090000", "DUE;TZID=America/New_York:20270308T100000", "RRULE:FREQ=WEEKLY;COUNT=2")
exception = todo(
    "RECURRENCE-ID;TZID=America/New_York:20270315T090000", "DTSTART;TZID=America/New_York:20270315T090000",
    "DUE;TZID=America/New_York:20270315T100000", "STATUS:COMPLETED",
)
both, alone = written(weekly, exception), written(weekly)
begin = datetime.strptime(values(alone, "DTSTART:2027"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
times = [at.astimezone(zone).strftime("%m-%d %H:%M") for at in rrulestr(values(alone, "RRULE:FREQ=WEEKLY"), dtstart=begin)]
cases = (  # what, guess, seen, described
    ("to-dos, of a rule and an exception", 2, both.count("BEGIN:VTODO"), 1),
    ("rules among them", "FREQ=WEEKLY;COUNT=2", values(both, "RRULE:FREQ=WEEKLY"), "none"),
    ("the series, in New York", ["03-08 09:00", "03-15 09:00"], times, ["03-08 09:00", "03-15 10:00"]),
    ("a due date without time", "20270308", values(written(todo("DUE;VALUE=DATE:20270308")), "DUE"), "20270308T000000Z"),
)
different = []
for what, guess, seen, described in cases:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
