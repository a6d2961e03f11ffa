#!/usr/bin/env bash
# APScheduler: whether a daily job runs on the day of a gap depends on where in the day the gap lies.
#
# Guess: CronTrigger has one rule for a time that does not exist: it runs late (or not at all) everywhere.
# Seen (APScheduler 3.11.3, tzdata 2026.6, Python 3.11): daily 02:30 in New York runs on 2027-03-14, an hour later by
#   the clock. Daily 00:00 in Cairo, where the gap is from 00:00 to 01:00, does not run on 2027-04-30 at all, nor does
#   daily 00:30; in Santiago likewise. The field "day" moves to the next midnight, which does not exist and becomes
#   01:00: past the hour that is looked for, so that the whole day is passed over.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check APScheduler==3.11.3 tzdata==2026.6

PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

print(f"APScheduler {version('APScheduler')}, tzdata {version('tzdata')}, Python {sys.version.split()[0]}")


def runs(cron: str, zone: str, now: datetime) -> list[str]:
    """The next three runs, each asked for a moment after the one before, as the scheduler does."""
    trigger, last, found = CronTrigger.from_crontab(cron, timezone=ZoneInfo(zone)), None, []
    while len(found) < 3:
        last = trigger.get_next_fire_time(last, now.astimezone(ZoneInfo(zone)))
        now = last.astimezone(UTC) + timedelta(milliseconds=5)
        # Through UTC and back: the trigger may name a time that no clock shows.
        found.append(f"{last.astimezone(UTC).astimezone(ZoneInfo(zone)):%m-%d %H:%M}")
    return found


cases = (
    ("30 2 * * *", "America/New_York", (3, 13), ["03-13 02:30", "03-14 03:30", "03-15 02:30"]),
    ("0 0 * * *", "Africa/Cairo", (4, 28), ["04-29 00:00", "04-30 01:00", "05-01 00:00"]),
    ("30 0 * * *", "Africa/Cairo", (4, 28), ["04-29 00:30", "04-30 01:30", "05-01 00:30"]),
    ("0 0 * * *", "America/Santiago", (9, 3), ["09-04 00:00", "09-05 01:00", "09-06 00:00"]),
)
described = {
    "America/New_York": ["03-13 02:30", "03-14 03:30", "03-15 02:30"],
    "Africa/Cairo": ["04-29", "05-01", "05-02"],
    "America/Santiago": ["09-04", "09-06", "09-07"],
}
different = []
for cron, zone, (month, day), guess in cases:
    seen = runs(cron, zone, datetime(2027, month, day, 6, tzinfo=UTC))
    print(f"{cron} {zone}\n  guess: {guess}\n  seen:  {seen}")
    if not all(run.startswith(start) for run, start in zip(seen, described[zone], strict=True)):
        different.append(f"{cron} {zone}")
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
