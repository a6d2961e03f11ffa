#!/usr/bin/env bash
# ical: a series begun in London in winter is in UTC when it is written again, and an hour late from spring on.
#
# Guess: what is read with DTSTART;TZID=Europe/London is written so again, as it is for Europe/Berlin and
#   America/New_York, summer and winter.
# Seen (ical 14.3.1, recurring-ical-events 3.8.2, icalendar 7.3.2, tzdata 2026.6, Python 3.11): it is written in UTC where
#   the zone's offset is zero at that very time: London, Dublin and Lisbon in winter, Reykjavik and Abidjan always. Once
#   (a task) that is the same instant; a rule that is counted from it is at 10:00 instead of 09:00 all summer long. Begun
#   in summer the same series stays in London. Home Assistant reads and writes its calendars and to-do lists with ical.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  ical==14.3.1 recurring-ical-events==3.8.2 icalendar==7.3.2 tzdata==2026.6

PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import date, datetime
from importlib.metadata import version
from zoneinfo import ZoneInfo

import recurring_ical_events
from ical.calendar import Calendar
from ical.calendar_stream import IcsCalendarStream
from ical.todo import Todo
from ical.types.recur import Recur
from icalendar import Calendar as Read

packages = ("ical", "recurring-ical-events", "icalendar", "tzdata")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")


def exported(zone: str, begin: str) -> str:
    """A weekly to-do of 09:00, written, read and written by ical."""
    start = datetime.fromisoformat(f"{begin}T09:00").replace(tzinfo=ZoneInfo(zone))
    todo = Todo(summary="Bins", dtstart=start, due=start.replace(hour=10), rrule=Recur.from_rrule("FREQ=WEEKLY"))
    text = IcsCalendarStream.calendar_to_ics(Calendar(todos=[todo]))
    return IcsCalendarStream.calendar_to_ics(IcsCalendarStream.calendar_from_ics(text))


def hours(zone: str, text: str) -> str:
    """The times of day in a week of January and one of July."""
    found = recurring_ical_events.of(Read.from_ical(text), components=["VTODO"])
    weeks = (date(2028, 1, 3), date(2028, 1, 10)), (date(2028, 7, 3), date(2028, 7, 10))
    times = (todo["DTSTART"].dt.astimezone(ZoneInfo(zone)) for week in weeks for todo in found.between(*week))
    return " ".join(f"{at:%H:%M}" for at in times)


cases = (  # zone, begin, seen in January and in July
    ("Europe/London", "2027-01-04", "09:00 10:00"),
    ("Europe/Lisbon", "2027-01-04", "09:00 10:00"),
    ("Europe/London", "2027-07-05", "09:00 09:00"),
    ("Europe/Berlin", "2027-01-04", "09:00 09:00"),
)
different = []
for zone, begin, described in cases:
    text = exported(zone, begin)
    [start] = [line for line in text.splitlines() if line.startswith("DTSTART") and f"{begin:.4}" in line]
    seen = hours(zone, text)
    print(f"weekly at 09:00 in {zone}, from {begin} on\n  guess: 09:00 09:00\n  seen:  {seen} ({start})")
    if seen != described:
        different.append((zone, begin))
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
