#!/usr/bin/env bash
# Dagster: hourly partitions of a zone whose clocks go forward by half an hour leave half an hour out.
#
# Guess: hourly partitions cover their range without a hole: where clocks change by half an hour, the partition of that
#   hour is half an hour shorter or longer, or the hours go on at half past.
# Seen (dagster 1.13.27, Python 3.11): on Lord Howe Island, where 02:00 becomes 02:30, the hour from 01:00 ends at 02:30,
#   the next partition is called 02:30 and its window begins at 03:00. What comes in between is in no partition, so it is
#   never processed. Where clocks go back by half an hour nothing is left out, nor is it in zones that change by a whole
#   hour or, as Troll, by two.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27 tzdata==2026.1

cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from itertools import pairwise

from dagster import HourlyPartitionsDefinition

CHANGES = {
    "Lord Howe, half an hour forward": ("Australia/Lord_Howe", "2026-10-03-00:00", "2026-10-05-00:00"),
    "Lord Howe, half an hour back": ("Australia/Lord_Howe", "2026-04-04-00:00", "2026-04-06-00:00"),
    "New York, an hour forward": ("America/New_York", "2026-03-07-00:00", "2026-03-09-00:00"),
    "Troll, two hours forward": ("Antarctica/Troll", "2026-03-28-00:00", "2026-03-30-00:00"),
    "Troll, two hours back": ("Antarctica/Troll", "2026-10-24-00:00", "2026-10-26-00:00"),
}


def holes(zone: str, first: str, end: str) -> list[str]:
    """Return what lies between the windows of partitions that follow each other."""
    hours = HourlyPartitionsDefinition(start_date=first, end_date=end, timezone=zone)
    windows = [(key, hours.time_window_for_partition_key(key)) for key in hours.get_partition_keys()]
    return [
        f"from {one.end.isoformat()} to {other.start.isoformat()}, before the partition {key}"
        for (_, one), (key, other) in pairwise(windows)
        if one.end.timestamp() != other.start.timestamp()
    ]


print(f"dagster {version('dagster')}, Python {sys.version.split()[0]}")
seen = {where: holes(*change) for where, change in CHANGES.items()}
for where, found in seen.items():
    print(f"{where}\n  guess: no hole\n  seen:  {found or 'no hole'}")
left_out = ["from 2026-10-04T02:30:00+11:00 to 2026-10-04T03:00:00+11:00, before the partition 2026-10-04-02:30"]
described = dict.fromkeys(CHANGES, []) | {"Lord Howe, half an hour forward": left_out}
sys.exit(0 if seen == described else "No longer as described")
PYTHON
