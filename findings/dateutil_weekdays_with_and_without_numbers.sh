#!/usr/bin/env bash
# python-dateutil: "every Monday, and the first Tuesday" is no day at all; a series begun in midweek has another week.
#
# Guess: (1) BYDAY is a list of days, each of which is an instance: BYDAY=MO,1TU are the Mondays of a month and its
#   first Tuesday. (2) BYSETPOS counts in the set of instances of a week: "the first of Monday, Wednesday and Friday" is
#   the Monday, in each week. So a series begun on a Wednesday has an instance on the next Monday (and one on its start,
#   where the start counts as such), and then one a week.
# Seen (python-dateutil 4.0.0, Python 3.11; 2.9.0.post0 the same):
#   1. A plain weekday beside a numbered one stands for both conditions at once: MO,1MO is the first Monday alone, and
#      MO,1TU is nothing.
#   2. In the week of the start positions are counted from the start on: a series begun on Wednesday, January 6 has that
#      Wednesday as "the first of the week", and on a Thursday the Friday, neither of which is the first of its week.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check python-dateutil==4.0.0

"$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import datetime
from importlib.metadata import version

from dateutil.rrule import rrulestr

print(f"python-dateutil {version('python-dateutil')}, Python {sys.version.split()[0]}")
different = []


def show(what: str, guess: object, seen: object, described: object) -> None:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)


def days(text: str, start: datetime) -> list[str]:
    return [f"{slot:%m-%d}" for slot in rrulestr(text, dtstart=start)]


first = datetime(2027, 2, 1, 9)
until = "UNTIL=20270228T235959"
mondays = ["02-01", "02-08", "02-15", "02-22"]
show("FREQ=MONTHLY;BYDAY=MO", mondays, days(f"FREQ=MONTHLY;BYDAY=MO;{until}", first), mondays)
show("FREQ=MONTHLY;BYDAY=MO,1MO", mondays, days(f"FREQ=MONTHLY;BYDAY=MO,1MO;{until}", first), ["02-01"])
with_tuesday = ["02-01", "02-02", "02-08", "02-15", "02-22"]
show("FREQ=MONTHLY;BYDAY=MO,1TU", with_tuesday, days(f"FREQ=MONTHLY;BYDAY=MO,1TU;{until}", first), [])

rule = "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1;UNTIL=20270118T235959"
for day, seen in ((4, "01-04"), (6, "01-06"), (7, "01-08")):
    start = datetime(2027, 1, day, 9)
    guess = ["01-04", "01-11", "01-18"][day > 4 :]
    what = f"the first of Monday, Wednesday, Friday, begun on {start:%a %m-%d}"
    show(what, guess, days(rule, start), [seen, "01-11", "01-18"])

sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
