#!/usr/bin/env bash
# Celery: what runs every 20 minutes rests for 80 minutes when clocks go back; what runs every hour leaves one out.
#
# Guess: crontab(minute="*/20") runs every 20 minutes, on the night when clocks go back too (75 runs, for the day has 25
#   hours); only what names an hour can be in doubt, for 01:30 is there twice.
# Seen (Celery 5.7.0, tzdata 2026.6, Python 3.11): what names an hour is well: daily at 01:30 runs once. What does not
#   stands still for the hour that is there for the second time: after 01:40 -04:00 the next run is at 02:00 -05:00, 80
#   minutes later. crontab(minute=0) has 24 runs on that day, in Berlin as in New York; where clocks go back by half an
#   hour (Lord Howe) half an hour is missing. With timezone="UTC" nothing is. The next time is looked for on the wall
#   clock, and the second hour has the times of the first, which are over.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 tzdata==2026.6

cd "$work"
PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

from celery import Celery
from celery.beat import ScheduleEntry
from celery.schedules import crontab

print(f"Celery {version('celery')}, tzdata {version('tzdata')}, Python {sys.version.split()[0]}")


def runs(zone: str, day: datetime, **fields: object) -> list[datetime]:
    """The runs of an entry of beat on a day, asked each minute whether it is due, as if it were then."""
    now = day.replace(tzinfo=ZoneInfo(zone))
    end = (now + timedelta(days=1)).astimezone(UTC)
    app = Celery(set_as_current=False)
    app.conf.timezone = zone
    schedule = crontab(app=app, nowfun=lambda: now, **fields)
    now = (now.astimezone(UTC) - timedelta(minutes=1)).astimezone(ZoneInfo(zone))
    entry, found = ScheduleEntry(name="finding", task="finding", schedule=schedule, app=app), []
    while (moment := now.astimezone(UTC)) < end:
        if entry.is_due().is_due:
            found.append(moment)
            entry = next(entry)
        now = (moment + timedelta(minutes=1)).astimezone(ZoneInfo(zone))
    return found


def told(found: list[datetime]) -> str:
    longest = max(later - sooner for sooner, later in zip(found, found[1:])) if found[1:] else timedelta()
    return f"{len(found)} runs, at most {longest.seconds // 60} minutes apart"


november, october, april = datetime(2027, 11, 7), datetime(2027, 10, 31), datetime(2027, 4, 4)
cases = (  # zone, day, fields, guess, seen
    ("America/New_York", november, {"minute": "*/20"}, "75 runs, at most 20 minutes apart", "72 runs, at most 80 minutes apart"),
    ("America/New_York", november, {"minute": 0}, "25 runs, at most 60 minutes apart", "24 runs, at most 120 minutes apart"),
    ("Europe/Berlin", october, {"minute": 0}, "25 runs, at most 60 minutes apart", "24 runs, at most 120 minutes apart"),
    ("Australia/Lord_Howe", april, {"minute": "*/10"}, "147 runs, at most 10 minutes apart", "144 runs, at most 40 minutes apart"),
    ("UTC", november, {"minute": "*/20"}, "72 runs, at most 20 minutes apart", "72 runs, at most 20 minutes apart"),
    ("America/New_York", november, {"minute": 30, "hour": 1}, "1 runs, at most 0 minutes apart", "1 runs, at most 0 minutes apart"),
)
different = []
for zone, day, fields, guess, described in cases:
    seen = told(runs(zone, day, **fields))
    print(f"{zone} {day:%Y-%m-%d} {fields}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append((zone, fields))
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
