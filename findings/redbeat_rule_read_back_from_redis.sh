#!/usr/bin/env bash
# celery-redbeat: a recurrence rule that was saved in Redis is another rule when it is read back.
#
# Guess: RedBeatSchedulerEntry.from_key gives the entry that save() stored: its rrule runs at the same times.
# Seen (celery-redbeat 2.4.2, Celery 5.7.0, python-dateutil 2.9.0.post0, Python 3.11): two parts of a rule are not
#   stored, and nothing says so.
#   1. The zone of dtstart: only the UTC offset of that one moment is. "Weekly at 09:00 in New York", begun in winter,
#      runs at 10:00 from the change of clocks on, also where New York is the zone of the application.
#   2. The ordinal of a weekday: "monthly on the last Friday", byweekday=FR(-1), becomes "monthly on every Friday".
#   The scheduler reads every entry anew in each of its rounds: it is the rule that was read back that is run.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  celery-redbeat==2.4.2 celery==5.7.0 python-dateutil==2.9.0.post0 fakeredis==2.41.0 tzdata==2026.6

PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from threading import Thread
from zoneinfo import ZoneInfo

from celery import Celery
from dateutil.rrule import FR
from fakeredis import TcpFakeServer
from redbeat import RedBeatSchedulerEntry
from redbeat.schedules import rrule

packages = ("celery-redbeat", "celery", "python-dateutil", "tzdata")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
new_york = ZoneInfo("America/New_York")
rules = {
    "weekly at 12:00 in UTC": rrule("WEEKLY", dtstart=datetime(2027, 3, 1, 12, tzinfo=UTC), count=4),
    "weekly at 09:00 in New York": rrule("WEEKLY", dtstart=datetime(2027, 3, 1, 9, tzinfo=new_york), count=4),
    "monthly on the last Friday, 12:00 in UTC": rrule(
        "MONTHLY", dtstart=datetime(2027, 1, 29, 12, tzinfo=UTC), byweekday=FR(-1), count=4
    ),
}
described = {
    "weekly at 12:00 in UTC": ["03-01 07:00", "03-08 07:00", "03-15 08:00", "03-22 08:00"],
    "weekly at 09:00 in New York": ["03-01 09:00", "03-08 09:00", "03-15 10:00", "03-22 10:00"],
    "monthly on the last Friday, 12:00 in UTC": ["01-29 07:00", "02-05 07:00", "02-12 07:00", "02-19 07:00"],
}


def times(entry: RedBeatSchedulerEntry) -> list[str]:
    return [f"{time.astimezone(new_york):%m-%d %H:%M}" for time in entry.schedule.rrule]


server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
Thread(target=server.serve_forever, daemon=True).start()
app = Celery("findings", set_as_current=False)
app.conf.timezone = "America/New_York"
app.conf.redbeat_redis_url = f"redis://127.0.0.1:{server.server_address[1]}/0"
different = []
for name, rule in rules.items():
    written = RedBeatSchedulerEntry(name, "findings.task", rule, app=app)
    written.save()
    read = RedBeatSchedulerEntry.from_key(written.key, app=app)
    print(f"{name}, by the clock of New York\n  guess: {times(written)}\n  seen:  {times(read)}")
    if times(read) != described[name] or (name == "weekly at 12:00 in UTC") != (times(read) == times(written)):
        different.append(name)
server.shutdown()
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
