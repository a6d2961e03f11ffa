#!/usr/bin/env bash
# todoman: a recurring task never ends; behind its UNTIL it is a task without a date that comes back whenever it is done.
#
# Guess: what is done behind the last date of a series leaves nothing open: that is what UNTIL and COUNT are for (RFC 5545,
#   section 3.3.10).
# Seen (todoman 4.7.0, icalendar 7.3.2, python-dateutil 2.9.0.post0, Python 3.11): the next task is a copy with the same rule.
#   UNTIL: behind it the copy has neither start nor due date, and so has each that follows. COUNT=2 is two from each copy on:
#   there is always a next one. EXDATE is not copied, and not looked at: the day that was taken out has its task. Dates are
#   written in UTC, without the time zone in which the rule counts.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  todoman==4.7.0 icalendar==7.3.2 python-dateutil==2.9.0.post0 tzdata==2026.6
export TODO="$work/venv/bin/todo" TZ=Europe/Berlin XDG_CONFIG_HOME="$work/config"

"$work/venv/bin/python" - "$work" <<'PYTHON'
import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

work = Path(sys.argv[1])
print(", ".join(f"{name} {version(name)}" for name in ("todoman", "icalendar", "python-dateutil")), f"Python {sys.version.split()[0]}")


def due_dates(case: int, *parts: str) -> str:
    """When a task of Monday, January 4, is due, and whatever follows when that is done, four times; `-` is no date."""
    home = work / str(case)
    for folder in (home / "list", home / "config" / "todoman"):
        folder.mkdir(parents=True)
    (home / "config" / "todoman" / "config.py").write_text(f"path = '{home}/list'\ndefault_list = 'list'\ncache_path = '{home}/cache'\n")
    times = ("DTSTART;TZID=Europe/Berlin:20270104T090000", "DUE;TZID=Europe/Berlin:20270104T100000")
    todo = ("BEGIN:VTODO", "UID:1", "DTSTAMP:20270101T000000Z", "SUMMARY:Bins", *times, *parts, "END:VTODO")
    lines = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bins//EN", *todo, "END:VCALENDAR", "")
    (home / "list" / "1.ics").write_text("\r\n".join(lines), newline="")

    def asked(*words: str) -> str:
        settings = {**os.environ, "XDG_CONFIG_HOME": str(home / "config")}
        return subprocess.run([os.environ["TODO"], *words], env=settings, capture_output=True, text=True, check=True).stdout

    found = []
    for _ in range(4):
        for each in json.loads(asked("--porcelain", "list")):
            due = each["due"]
            found.append(f"{datetime.fromtimestamp(due, timezone.utc):%m-%d}" if due else "-")
            asked("done", str(each["id"]))
    return " ".join(found)


cases = (  # the task, guess, seen
    (("RRULE:FREQ=DAILY;UNTIL=20270105T080000Z",), "01-04 01-05", "01-04 - - -"),
    (("RRULE:FREQ=WEEKLY;COUNT=2",), "01-04 01-11", "01-04 01-11 01-18 01-25"),
    (("RRULE:FREQ=DAILY", "EXDATE;TZID=Europe/Berlin:20270105T090000"), "01-04 01-06 01-07 01-08", "01-04 01-05 01-06 01-07"),
)
different = []
for case, (parts, guess, described) in enumerate(cases):
    seen = due_dates(case, *parts)
    print(f"{' '.join(parts)}, done four times\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(parts[0])
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
