#!/usr/bin/env bash
# arq: a worker in the system's time zone keeps the offset that this had when the worker started.
#
# Guess: without `timezone`, cron jobs go by the system's time zone, as the documentation says: a job at 9 runs at 9 on
#   the clocks of Berlin all year round, in a worker that runs for months.
# Seen (arq 0.28.0, Python 3.11): what the worker keeps is no time zone but its offset of that moment. After the next
#   change of clocks all its jobs are an hour off, until it is started again: of two workers of one deployment, one
#   restarted meanwhile, each runs the job at a time of its own. With timezone=ZoneInfo("Europe/Berlin") it is right.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check arq==0.28.0 tzdata==2026.1

cd "$work"
TZ=Europe/Berlin "$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from zoneinfo import ZoneInfo

from arq.cron import cron
from arq.worker import Worker

BERLIN = ZoneInfo("Europe/Berlin")


async def remind(ctx: object) -> None:
    """Do nothing."""


def begins(**chosen: object) -> tuple[str, list[str]]:
    """Return the zone of a worker, and when on the clocks of Berlin its job at 9 runs in January and in July."""
    worker = Worker(cron_jobs=[cron(remind, hour=9, minute=0)], redis_pool=None, handle_signals=False, **chosen)
    (job,) = worker.cron_jobs
    times = []
    for month in (1, 7):
        job.calculate_next(datetime(2027, month, 1, 0, 0, tzinfo=timezone.utc).astimezone(worker.timezone))
        times.append(f"{job.next_run.astimezone(BERLIN):%H:%M}")
    return repr(worker.timezone), times


(kept, system), (_, named) = begins(), begins(timezone=BERLIN)
print(f"arq {version('arq')}, Python {sys.version.split()[0]}, today {datetime.now(BERLIN).date()}")
print(f"the system's zone, in January and July\n  guess: ['09:00', '09:00']\n  seen:  {system}, for it kept {kept}")
print(f"a zone by name\n  guess: ['09:00', '09:00']\n  seen:  {named}")
is_summer = bool(datetime.now(BERLIN).dst())
described = ["08:00", "09:00"] if is_summer else ["09:00", "10:00"]
sys.exit(0 if (system, named) == (described, ["09:00", "09:00"]) else "No longer as described")
PYTHON
