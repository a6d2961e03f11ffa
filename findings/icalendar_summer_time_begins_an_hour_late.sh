#!/usr/bin/env bash
# icalendar: in every VTIMEZONE that it writes, summer time begins an hour late.
#
# Guess: Calendar.add_missing_timezones writes when clocks change as RFC 5545 has it, in the time before the change
#   (TZOFFSETFROM): New York 2027-03-14 at 02:00, -0500 to -0400. Who reads the file gets the times of the zone again.
# Seen (icalendar 7.3.2, tzdata 2026.6, Python 3.11): it is 03:00, -0500 to -0400, which is 08:00Z and not 07:00Z. The
#   beginning of summer time is written as the time after the change, every year and in all zones below; the end is
#   right. A reader (here dateutil's tzical, which icalendar uses too) takes the instants of that hour for winter time:
#   07:15Z is 02:15, a time that no clock in New York shows. Lord Howe, whose gap is half an hour, is half an hour late.
#   icalendar itself hides it: it looks the names that it knows up and leaves the VTIMEZONE in the file alone.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  icalendar==7.3.2 python-dateutil==2.9.0.post0 tzdata==2026.6

PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import io
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

from dateutil.tz import tzical
from icalendar import Calendar, Event

packages = ("icalendar", "python-dateutil", "tzdata")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")


def exported(zone: str) -> Calendar:
    """A calendar with one event in a zone, written and read again."""
    event = Event.new(start=datetime(2027, 6, 1, 9, tzinfo=ZoneInfo(zone)), summary="findings")
    calendar = Calendar.new(subcomponents=[event])
    calendar.add_missing_timezones()
    return Calendar.from_ical(calendar.to_ical())


def change(calendar: Calendar, kind: str, day: str) -> str:
    """When the calendar says that clocks change on a day of 2027."""
    for part in calendar.timezones[0].walk(kind):
        dates = [part.DTSTART, *(when.dt for when in part["RDATE"].dts)] if "RDATE" in part else [part.DTSTART]
        for date in dates:
            if f"{date:%Y-%m-%d}" == day:
                return f"{date:%H:%M} {part['TZOFFSETFROM'].to_ical()} to {part['TZOFFSETTO'].to_ical()}"
    return "no change"


cases = (  # zone, kind of change, its day, its instant, seen
    ("America/New_York", "DAYLIGHT", "2027-03-14", datetime(2027, 3, 14, 7), "03:00 -0500 to -0400"),
    ("Europe/Berlin", "DAYLIGHT", "2027-03-28", datetime(2027, 3, 28, 1), "03:00 +0100 to +0200"),
    ("Africa/Cairo", "DAYLIGHT", "2027-04-30", datetime(2027, 4, 29, 22), "01:00 +0200 to +0300"),
    ("Australia/Lord_Howe", "DAYLIGHT", "2027-10-03", datetime(2027, 10, 2, 15, 30), "02:30 +1030 to +1100"),
    ("America/New_York", "STANDARD", "2027-11-07", datetime(2027, 11, 7, 6), "02:00 -0400 to -0500"),
    ("Europe/Berlin", "STANDARD", "2027-10-31", datetime(2027, 10, 31, 1), "03:00 +0200 to +0100"),
)
different = []
for zone, kind, day, instant, described in cases:
    real, calendar = ZoneInfo(zone), exported(zone)
    before, after = ((instant.replace(tzinfo=UTC) + timedelta(seconds=s)).astimezone(real) for s in (-1, 0))
    wall = before.replace(tzinfo=None) + timedelta(seconds=1)
    guess = f"{wall:%H:%M} {before:%z} to {after:%z}"
    seen = change(calendar, kind, day)
    reader = tzical(io.StringIO(calendar.to_ical().decode())).get()
    later = instant.replace(tzinfo=UTC) + timedelta(minutes=15)
    shown, read = (f"{later.astimezone(one):%H:%M%z}" for one in (real, reader))
    print(f"{zone} {day} {kind}\n  guess: {guess}; a quarter of an hour later it is {shown}")
    print(f"  seen:  {seen}; a quarter of an hour later it is {read}")
    late = kind == "DAYLIGHT"
    if seen != described or (seen != guess) != late or (read != shown) != late:
        different.append(f"{zone} {day}")
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
