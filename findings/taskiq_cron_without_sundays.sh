#!/usr/bin/env bash
# taskiq: a task on "MON-SUN" has no Sundays, one in "JAN" never runs, and nothing is said.
#
# Guess: a schedule that taskiq takes runs when crontab(5) says, where 7 is Sunday as 0 is and months have names;
#   what it cannot read, it refuses.
# Seen (taskiq 0.13.0, pycron 3.3.0, Python 3.11): of the first twelve weeks of 2027, 09:00 UTC each day,
#   1. "0 9 * * 7" has no run, "1-7" and "MON-SUN" have all days but Sundays, "FRI-SUN" Fridays and Saturdays,
#      "SAT-TUE" Saturdays alone; "0" and "SUN" work.
#   2. A month by its name, a step that begins at a number (9/3), and words that other crons have (L, ?, MON#1) match
#      nothing: the task never runs. "@daily" is refused, but no sooner than a minute of it is asked for.
#   taskiq checks no cron when it takes a schedule; pycron, which it asks every minute "is it now?", answers "no" for
#   each part that it cannot read.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check taskiq==0.13.0 pycron==3.3.0

"$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from taskiq import ScheduledTask
from taskiq.cli.scheduler.run import CronValueError, is_cron_task_now

print(f"taskiq {version('taskiq')}, pycron {version('pycron')}, Python {sys.version.split()[0]}")
hours = [datetime(2027, 1, 4, tzinfo=UTC) + timedelta(hours=n) for n in range(12 * 7 * 24)]  # from a Monday on


def runs(cron: str) -> str:
    task = ScheduledTask(task_name="findings", labels={}, args=[], kwargs={}, cron=cron)
    try:
        found = [hour for hour in hours if is_cron_task_now(task.cron, hour)]
    except CronValueError:
        return "taken, then an error"
    return f"{len(found)}: {' '.join(dict.fromkeys(f'{hour:%a}' for hour in found)) or 'never'}"


week = "Mon Tue Wed Thu Fri Sat Sun"
cases = (  # cron, guess, seen
    ("0 9 * * 0", "12: Sun", "12: Sun"),
    ("0 9 * * SUN", "12: Sun", "12: Sun"),
    ("0 9 * * 7", "12: Sun", "0: never"),
    ("0 9 * * 1-7", f"84: {week}", f"72: {week[:-4]}"),
    ("0 9 * * MON-SUN", f"84: {week}", f"72: {week[:-4]}"),
    ("0 9 * * FRI-SUN", "36: Fri Sat Sun", "24: Fri Sat"),
    ("0 9 * * SAT-TUE", "48: Mon Tue Sat Sun", "12: Sat"),
    ("0 9 * 1 *", f"28: {week}", f"28: {week}"),
    ("0 9 * JAN *", f"28: {week}", "0: never"),
    ("0 9/3 * * *", "420 or refused", "0: never"),
    ("0 9 L * *", "2 or refused", "0: never"),
    ("0 9 ? * *", "84 or refused", "0: never"),
    ("0 9 * * MON#1", "2 or refused", "0: never"),
    ("@daily", "84 or refused", "taken, then an error"),
)
different = []
for cron, guess, described in cases:
    seen = runs(cron)
    print(f"{cron}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(cron)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
