#!/usr/bin/env bash
# Dagster: a plain daily schedule on the two days a year when clocks change.
#
# Guess:
#   1. Two zones whose clocks show the same all year (London, Dublin) get the same daily partitions.
#   2. The windows of consecutive daily keys join: no key has the window of another, no hour is in none.
#   3. As time goes on, a partition that has ended stays ended.
#   4. A daily cron has a next tick from every moment on.
# Seen (dagster 1.13.29, tzdata 2026.6, Python 3.11; 1.13.27 the same):
#   1. Key 2027-03-28 at 01:30, a time that does not exist, starts at 01:00Z in London (the end of the gap) and at
#      00:00Z in Dublin (an hour before the gap): the end of a gap is computed with dst(), which is zero in Irish
#      summer, as there winter is the exception (IANA has it so, with a "negative" saving).
#   2. Antarctica/Troll, whose gap has two hours: keys 2027-03-28 and 2027-03-29 have one and the same window, and the
#      24.5 hours between the window of 03-27 and that one belong to no key.
#   3. Africa/Cairo, 23:30, the night the clock goes from 24:00 back to 23:00: the last ended partition is 10-27 at
#      23:45 summer time, 10-26 half an hour later, and 10-27 again after that.
#   4. A definition that starts within that half hour raises "CheckError: Invariant failed." for "30 23 * * *";
#      "30 23 1-31,L * *", which means the same, does not (its first window starts that night).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.29 tzdata==2026.6

# An empty PYTHONTZPATH makes zoneinfo read the pinned package, whatever the system has.
PYTHONTZPATH='' "$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

import dagster as dg

print(f"dagster {version('dagster')}, tzdata {version('tzdata')}, Python {sys.version.split()[0]}")
different = []


def show(what: str, guess: object, seen: object, described: object) -> None:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)


def windows(zone: str, *keys: str) -> list[tuple[str, str]]:
    daily = dg.DailyPartitionsDefinition(start_date="2027-03-01", timezone=zone, hour_offset=1, minute_offset=30)
    found = [daily.time_window_for_partition_key(key) for key in keys]
    return [tuple(f"{edge.astimezone(UTC):%d %H:%MZ}" for edge in (w.start, w.end)) for w in found]


london, dublin = ("Europe/London", "Europe/Dublin")
wall = [datetime(2027, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(365 * 48)]
same = all(f"{t.astimezone(ZoneInfo(london)):%c%z}" == f"{t.astimezone(ZoneInfo(dublin)):%c%z}" for t in wall)
print(f"The clocks of {london} and {dublin} are the same at every half hour of 2027: {same}")
in_london = windows(london, "2027-03-28")
show("daily 01:30, key 2027-03-28, Dublin", in_london, windows(dublin, "2027-03-28"), [("28 00:00Z", "29 00:30Z")])

joined = [("27 01:30Z", "28 01:00Z"), ("28 01:00Z", "28 23:30Z"), ("28 23:30Z", "29 23:30Z")]
troll = windows("Antarctica/Troll", "2027-03-27", "2027-03-28", "2027-03-29")
show(
    "daily 01:30, keys 2027-03-27, -28, -29, Antarctica/Troll",
    joined,
    troll,
    [("27 01:30Z", "27 23:00Z"), ("28 23:30Z", "29 23:30Z"), ("28 23:30Z", "29 23:30Z")],
)

cairo = dg.DailyPartitionsDefinition("2027-10-20", timezone="Africa/Cairo", hour_offset=23, minute_offset=30)
nows = [datetime(2027, 10, 28, hour, minute, tzinfo=UTC) for hour, minute in ((20, 45), (21, 15), (21, 45))]
show(
    "daily 23:30 Africa/Cairo, the last ended key at 20:45Z, 21:15Z, 21:45Z on 2027-10-28",
    ["2027-10-27"] * 3,
    [cairo.get_partition_keys(now)[-1] for now in nows],
    ["2027-10-27", "2027-10-26", "2027-10-27"],
)


def first_window(cron: str) -> str:
    start = datetime(2027, 10, 28, 23, 15, tzinfo=ZoneInfo("Africa/Cairo"), fold=1)
    parts = dg.TimeWindowPartitionsDefinition(start=start, fmt="%Y-%m-%d", cron_schedule=cron, timezone="Africa/Cairo")
    try:
        keys = parts.get_partition_keys(datetime(2027, 11, 2, tzinfo=UTC))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"{parts.time_window_for_partition_key(keys[0]).start:%Y-%m-%d %H:%M}"


equivalent = first_window("30 23 1-31,L * *")
print(f"cron '30 23 1-31,L * *' from 21:15Z on: first window at {equivalent}")
plain = first_window("30 23 * * *")
show("cron '30 23 * * *' from 21:15Z on: first window", equivalent, plain, "CheckError: Invariant failed.")
if equivalent != "2027-10-28 23:30" or not same:
    different.append("what it is compared with")

sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
