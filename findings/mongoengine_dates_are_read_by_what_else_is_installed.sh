#!/usr/bin/env bash
# MongoEngine: which text is a date, and which date, depends on whether python-dateutil happens to be installed.
#
# Guess: a DateTimeField that is given text reads ISO 8601, and refuses all else; what another package is installed for
#   changes nothing, for MongoEngine requires only pymongo.
# Seen (MongoEngine 0.29.3, python-dateutil 2.9.0.post0, Python 3.11): without dateutil "2027-01-31T09:00:00Z" is refused.
#   With it, brought along by pandas or Celery, say, "01/02/2027" is January 2 and "31/01/2027" January 31; what is
#   missing comes from today: "2027" is that year's day like today, "9" the 9th of this month. Each is stored as valid.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/dates.py" <<'PYTHON'
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from mongoengine import DateTimeField, Document, ValidationError

try:
    dateutil = version("python-dateutil")
except PackageNotFoundError:
    dateutil = None
print(f"MongoEngine {version('mongoengine')}, python-dateutil {dateutil}, Python {sys.version.split()[0]}")


class Task(Document):
    due = DateTimeField()


def read(text: str) -> str:
    task = Task(due=text)
    try:
        task.validate()
    except ValidationError:
        return "refused"
    return task.to_mongo()["due"].isoformat()


today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
cases = (
    # text, guess, seen without dateutil, seen with it
    ("2027-01-31", "2027-01-31T00:00:00", "2027-01-31T00:00:00", "2027-01-31T00:00:00"),
    ("2027-01-31T09:00:00Z", "2027-01-31T09:00:00+00:00", "refused", "2027-01-31T09:00:00+00:00"),
    ("01/02/2027", "refused", "refused", "2027-01-02T00:00:00"),
    ("31/01/2027", "refused", "refused", "2027-01-31T00:00:00"),
    ("9", "refused", "refused", today.replace(day=9).isoformat()),
    ("2027", "refused", "refused", None),
)
different = []
for text, guess, without, with_it in cases:
    seen, described = read(text), with_it if dateutil else without
    print(f"{text!r}\n  guess: {guess}\n  seen:  {seen}")
    if described is None:  # February 29 has no like in 2027
        described = seen if seen[5:7] == f"{today:%m}" and seen.startswith("2027") else "a day of this month"
    if seen != described:
        different.append(text)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
for packages in "" "python-dateutil==2.9.0.post0"; do
  rm -rf "$work/venv"
  "${PYTHON:-python3}" -m venv "$work/venv"
  # shellcheck disable=SC2086 - none, or one
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check mongoengine==0.29.3 pymongo==4.20.1 $packages
  "$work/venv/bin/python" "$work/dates.py"
done
