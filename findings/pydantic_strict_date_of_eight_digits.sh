#!/usr/bin/env bash
# pydantic: strict mode refuses a number as a datetime and takes the same digits in quotes as that number.
#
# Guess: in strict mode a datetime in JSON is an ISO 8601 text. "20270101", the basic form of the date (the form of
#   iCalendar), is either 2027-01-01, as datetime.fromisoformat says, or refused like the extended form "2027-01-01".
# Seen (pydantic 2.14.4, Python 3.11): strict mode refuses 20270101 and "2027-01-01", and takes "20270101" as seconds
#   since 1970: 1970-08-23. With a time, "20270101000000", it is milliseconds: the year 2612. AwareDatetime takes them
#   too: digits without any zone count as UTC, where "2027-01-01T00:00:00" is refused for want of one.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pydantic==2.14.4

"$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import datetime
from importlib.metadata import version

from pydantic import AwareDatetime, TypeAdapter, ValidationError

print(f"pydantic {version('pydantic')}, Python {sys.version.split()[0]}")
print(f"datetime.fromisoformat('20270101') is {datetime.fromisoformat('20270101')}")
refused = "refused"


def strictly(json: str) -> str:
    try:
        return TypeAdapter(AwareDatetime).validate_json(json, strict=True).isoformat()
    except ValidationError:
        return refused


cases = (
    ("20270101", refused, refused),
    ('"2027-01-01"', refused, refused),
    ('"2027-01-01T00:00:00"', refused, refused),
    ('"20270101"', refused, "1970-08-23T14:35:01+00:00"),
    ('"20270101000000"', refused, "2612-05-02T15:36:40+00:00"),
)
different = []
for json, guess, described in cases:
    seen = strictly(json)
    print(f"AwareDatetime, strict, of JSON {json}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(json)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
