#!/usr/bin/env bash
# Periodiq: a range of weekdays that ends with Sunday as 7 leaves Sundays out, and leap days come every year, on March 1.
#
# Guess: Sunday is 0 and 7, for both are taken: 6-7 is the weekend, and 5-7 begins it on Friday. And "0 0 29 2 *" runs
#   once in four years.
# Seen (periodiq 0.14.0, dramatiq 2.2.1, Python 3.11): 7 by itself is Sunday, and so is 0; in a range or a list behind
#   another day it is never reached, for after Saturday the days are looked for anew among 0 to 6 and the first of the
#   list. And a day that the month does not have is taken for one of the next month, which is not looked at again: in the
#   three years between the task runs on March 1, and "0 0 31 4 *", which is no date at all, runs on May 1.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check periodiq==0.14.0 dramatiq==2.2.1 pendulum==3.3.0

cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import pendulum
from periodiq import CronSpec


def runs(spec: str, until: str) -> list[pendulum.DateTime]:
    """Return when a task runs from the beginning of 2027 on."""
    found, cron, at = [], CronSpec.parse(spec), pendulum.datetime(2026, 12, 31, 23, 59)
    while (at := cron.next_valid_date(at)) < pendulum.parse(until):
        found.append(at)
    return found


def weekdays(spec: str) -> list[str]:
    return sorted({at.format("ddd") for at in runs(spec, "2028-01-01")})


def dates(spec: str) -> list[str]:
    return [at.to_date_string() for at in runs(spec, "2030-01-01")]


rows = [
    ("0 9 * * 7", ["Sun"], weekdays("0 9 * * 7"), ["Sun"]),
    ("0 9 * * 6-7", ["Sat", "Sun"], weekdays("0 9 * * 6-7"), ["Sat"]),
    ("0 9 * * 5-7", ["Fri", "Sat", "Sun"], weekdays("0 9 * * 5-7"), ["Fri", "Sat"]),
    ("0 9 * * 0,6", ["Sat", "Sun"], weekdays("0 9 * * 0,6"), ["Sat", "Sun"]),
    ("0 0 29 2 *", ["2028-02-29"], dates("0 0 29 2 *"), ["2027-03-01", "2028-02-29", "2029-03-01"]),
    ("0 0 31 4 *", "never, or refused", dates("0 0 31 4 *"), ["2027-05-01", "2028-05-01", "2029-05-01"]),
]
packages = ("periodiq", "dramatiq", "pendulum")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
for what, guess, seen, _ in rows:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
sys.exit(0 if all(seen == described for _, _, seen, described in rows) else "No longer as described")
PYTHON
