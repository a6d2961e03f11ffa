#!/usr/bin/env bash
# schedule: a daily job at a time that clocks have just left out runs twice on the day after.
#
# Guess: every().day.at("02:30", "America/New_York") runs once on each day: at 02:30 and, on the day that has no 02:30, at
#   03:30 or 03:00. And a job at 01:30 runs once on the day that has it twice.
# Seen (schedule 1.2.2, pytz 2026.1, Python 3.11): on the day of the gap it runs at 03:30, and on the next one at 01:30
#   and again at 02:30. A job at 09:00 is never off, and 01:30 runs once when clocks go back.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check schedule==1.2.2 pytz==2026.1 time-machine==3.6.0 tzdata==2026.1

cd "$work"
TZ=UTC "$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from zoneinfo import ZoneInfo

import schedule
import time_machine

ZONE = "America/New_York"


def runs(at: str, first: datetime) -> list[str]:
    """Return when a daily job runs within five days, looked at every ten minutes."""
    found: list[str] = []
    every = schedule.Scheduler()
    now = first.replace(tzinfo=ZoneInfo(ZONE)).astimezone(timezone.utc)
    end = now + timedelta(days=5)
    with time_machine.travel(now, tick=False) as clock:
        every.every().day.at(at, ZONE).do(
            lambda: found.append(f"{datetime.now(timezone.utc).astimezone(ZoneInfo(ZONE)):%m-%d %H:%M}")
        )
        while now < end:
            clock.move_to(now)
            every.run_pending()
            now += timedelta(minutes=10)
    return found


def daily(month: int, days: range, at: str) -> list[str]:
    return [f"{month:02}-{day:02} {at}" for day in days]


forward, back = datetime(2027, 3, 12), datetime(2027, 11, 5)
gap = ["03-12 02:30", "03-13 02:30", "03-14 03:30"]
rows = [
    ("02:30 where clocks go forward", [*gap, *daily(3, range(15, 17), "02:30")], runs("02:30", forward),
     [*gap, "03-15 01:30", "03-15 02:30", "03-16 02:30"]),
    ("09:00 there", daily(3, range(12, 17), "09:00"), runs("09:00", forward), daily(3, range(12, 17), "09:00")),
    ("01:30 where clocks go back", daily(11, range(5, 10), "01:30"), runs("01:30", back),
     daily(11, range(5, 10), "01:30")),
]  # fmt: skip
print(", ".join(f"{name} {version(name)}" for name in ("schedule", "pytz")), f"Python {sys.version.split()[0]}")
for what, guess, seen, _ in rows:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
sys.exit(0 if all(seen == described for _, _, seen, described in rows) else "No longer as described")
PYTHON
