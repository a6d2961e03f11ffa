#!/usr/bin/env bash
# Dagster: to show the newest tick of a sensor, all its ticks are read, though there is an index that ends with it.
#
# Guess: the newest tick of a sensor costs the same with a thousand ticks and with a hundred thousand: the table has an
#   index of (selector_id, timestamp), and one entry of it is the answer. The same for the newest of each of ten sensors.
# Seen (dagster 1.13.27, Python 3.11, SQLite): the work grows with the ticks of that sensor, a hundred times for a
#   hundred times as many. Asked for one sensor, the condition is an OR of two columns (ticks of old releases have no
#   selector_id), so SQLite collects the rows of both indexes and sorts them; asked for several, as the UI's list of
#   sensors does, all their ticks are ranked, with their bodies, before those of rank one are taken. With a million ticks
#   the list takes many seconds, in PostgreSQL too. Keeping few ticks (`retention` in dagster.yaml) is what helps.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27

cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import os
import sys
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version

import sqlalchemy as sa
from dagster import DagsterInstance
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus

warnings.simplefilter("ignore")
EACH = 1_000  # instructions of SQLite's virtual machine
SENSORS = [f"sensor-{n}" for n in range(10)]
worked = 0


def count_work(connection, _record) -> None:
    def more() -> None:
        global worked
        worked += 1

    connection.set_progress_handler(more, EACH)


sa.event.listen(sa.Engine, "connect", count_work)


def work_for(question: Callable[[], object]) -> int:
    """Return how many thousand instructions SQLite needs to answer."""
    global worked
    worked = 0
    question()
    return worked


def add_ticks(instance: DagsterInstance, count: int) -> None:
    """Store so many ticks, copies of one, a second apart, of each sensor in turn."""
    columns = "job_origin_id, selector_id, status, type, timestamp, tick_body"
    with instance.schedule_storage.connect() as connection:
        body = connection.execute(sa.text("SELECT tick_body FROM job_ticks LIMIT 1")).scalar()
        rows = [
            {"s": SENSORS[n % 10], "t": str(datetime(2027, 1, 1) + timedelta(seconds=n)), "b": body}
            for n in range(count)
        ]
        values = "(:s, :s, 'SKIPPED', 'SENSOR', :t, :b)"
        connection.execute(sa.text(f"INSERT INTO job_ticks ({columns}) VALUES {values}"), rows)


print(f"dagster {version('dagster')}, Python {sys.version.split()[0]}")
with DagsterInstance.local_temp(os.getcwd()) as instance:
    tick = TickData(SENSORS[0], "s", InstigatorType.SENSOR, TickStatus.SKIPPED, 1.0, selector_id=SENSORS[0])
    instance.create_tick(tick)
    storage = instance.schedule_storage
    questions = {
        "the newest of one sensor": lambda: storage.get_ticks(SENSORS[3], SENSORS[3], limit=1),
        "the newest of each of ten": lambda: storage.get_batch_ticks(SENSORS, limit=1),
    }
    before = {}
    for stored in (1_000, 100_000):
        add_ticks(instance, stored - 1_000 * (stored > 1_000))
        before[stored] = {what: work_for(question) for what, question in questions.items()}
    with storage.connect() as connection:
        indexes = {one["name"]: one["column_names"] for one in sa.inspect(connection).get_indexes("job_ticks")}
        plain = "SELECT id FROM job_ticks WHERE selector_id = 'sensor-3' ORDER BY timestamp DESC LIMIT 1"
        one_entry = work_for(lambda: connection.execute(sa.text(plain)))
grown = {what: before[100_000][what] / max(before[1_000][what], 1) for what in questions}
print(f"an index: {indexes['idx_tick_selector_timestamp']}; by it alone: {one_entry} thousand instructions")
for what in questions:
    print(f"{what}\n  guess: the same work with 1,000 and 100,000 ticks")
    print(f"  seen:  {before[1_000][what]} and {before[100_000][what]} thousand instructions")
there = indexes["idx_tick_selector_timestamp"] == ["selector_id", "timestamp"] and one_entry <= 1
sys.exit(0 if there and all(times > 20 for times in grown.values()) else "No longer as described")
PYTHON
