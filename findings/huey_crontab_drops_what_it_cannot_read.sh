#!/usr/bin/env bash
# Huey: of a list in crontab(), the parts that it cannot read are left out, and the task runs at the others alone.
#
# Guess: hour="9, 17" is 9 and 17, as without the space, or is refused; day_of_week="mon,3" is refused if it takes no
#   names. And of day="13", day_of_week="5" either is enough, as crontab(5) has it.
# Seen (huey 3.5.4, Python 3.11): a part that is none of *, */n, n and m-n, and so one with a space before it or a name,
#   is passed over without a word as long as another part is read: the task never runs at 17, nor on Mondays. Only
#   strict=True, which is not the default, refuses it. And both the day and the day of the week must fit: Friday the 13th.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check huey==3.5.4

cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import datetime, timedelta
from importlib.metadata import version

from huey import crontab

YEAR = [datetime(2027, 1, 1) + timedelta(hours=n) for n in range(365 * 24)]


def hours_of_a_day(**when: str) -> list[int]:
    runs = crontab(minute="0", **when)
    return sorted({at.hour for at in YEAR if runs(at)})


def days_of_a_week(**when: str) -> list[str]:
    runs = crontab(minute="0", hour="0", **when)
    return sorted({at.strftime("%a") for at in YEAR if runs(at)})


def days_of_a_year(**when: str) -> int:
    runs = crontab(minute="0", hour="0", **when)
    return sum(runs(at) for at in YEAR)


def refused(**when: str) -> bool:
    try:
        crontab(strict=True, **when)
    except ValueError:
        return True
    return False


rows = [
    ('hour="9,17"', [9, 17], hours_of_a_day(hour="9,17"), [9, 17]),
    ('hour="9, 17"', [9, 17], hours_of_a_day(hour="9, 17"), [9]),
    ('day_of_week="mon,3"', "refused", days_of_a_week(day_of_week="mon,3"), ["Wed"]),
    ('day="13", day_of_week="5", days of 2027', 64, days_of_a_year(day="13", day_of_week="5"), 1),
    ('hour="9, 17", strict', "refused", "refused" if refused(hour="9, 17") else "taken", "refused"),
]
print(f"huey {version('huey')}, Python {sys.version.split()[0]}")
for what, guess, seen, _ in rows:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
sys.exit(0 if all(seen == described for _, _, seen, described in rows) else "No longer as described")
PYTHON
