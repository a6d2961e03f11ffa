"""Each release of the time zone data against the next: what one wrote and the other reads elsewhere is found, no more.

The releases are those of the package `tzdata`, each read by a process of its own. What should be found is computed
beside it, by Python's zoneinfo alone.
"""

import json
import os
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.time_zones import asked

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

RELEASES = {
    "2024a": "2024.1", "2024b": "2024.2", "2025a": "2025.1", "2025b": "2025.2", "2025c": "2025.3", "2026a": "2026.1",
    "2026b": "2026.2", "2026c": "2026.3", "2026d": "2026.4", "2026e": "2026.5", "2026f": "2026.6",
}  # fmt: skip
"""IANA's names, and the versions of the package on PyPI."""
OLDEST, NEWEST = "2024a", "2026f"
MORNINGS = 48
"""Where those begin among the walls below: first the Sundays of 48 months."""

DOWNLOAD = """
import runpy, sys
folder, *wanted = sys.argv[1:]
for each in wanted:
    sys.argv[1:] = ["download", "--quiet", "--no-deps", "--dest", folder, each]
    try:
        runpy.run_module("pip", run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
"""
"""Has pip, which takes one version of a package at a time, begin once for all of them."""

WALLS = """
import json, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
first_sundays = [next(datetime(y, m, d, 2, 30) for d in range(1, 8) if datetime(y, m, d).weekday() == 6)
                 for y in range(2024, 2028) for m in range(1, 13)]
mornings = [datetime(y, m, 15, 9) for y in range(2024, 2028) for m in range(1, 13)]
walls = first_sundays + mornings
"""
READ_PLAINLY = (
    WALLS
    + """
from zoneinfo import ZoneInfo
zones = Path(sys.argv[1], "zones").read_text().split()
plain = {z: [int(w.replace(tzinfo=ZoneInfo(z)).timestamp()) for w in walls] for z in zones}
Path(sys.argv[2]).write_text(json.dumps(plain))
print(json.dumps(len(plain)))
"""
)
"""Has Python say which instants the clocks of all zones show as some walls."""
WRITE = (
    WALLS
    + """
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.zones import time_zone
release = use_newest_time_zone_data().version
zones = Path(sys.argv[1], "zones").read_text().split()
due = lambda wall, zone: int(in_utc(wall.replace(tzinfo=timezone.utc), time_zone(zone)).timestamp())
Path(sys.argv[2]).write_text(json.dumps({z: [due(w, z) for w in walls] for z in zones}))
print(json.dumps(release))
"""
)
"""Writes the instants of slots as the worker does."""
FIND = (
    WALLS
    + """
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.time_zone_changes import time_zone_change
release = use_newest_time_zone_data().version
found = {}
for zone, written in json.loads(Path(sys.argv[1]).read_text()).items():
    for number, (wall, stored) in enumerate(zip(walls, written, strict=True)):
        due = datetime.fromtimestamp(stored, timezone.utc)
        task = Task("1" * 24, due_date=due, original_due_date=due, parent_recurring_id="2" * 24, timezone=zone,
                    occurrence_at=wall.replace(tzinfo=timezone.utc), occurrence_number=number, is_touched=False)
        change = time_zone_change(task, None, "UTC")
        if change is not None:
            assert change.stays is None and change.due == change.original_due, change
            found.setdefault(zone, {})[str(number)] = int(change.due.timestamp())
print(json.dumps([release, found]))
"""
)
"""Reads slots with newer data, and says which of them should move, and where to."""

WORK = """
import json, sys
from datetime import datetime, timezone
from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
settings = Settings.from_environment({"MONGODB_URL": sys.argv[1], "LOG_LEVEL": "error", "KEEP_DELETED_DAYS": "3650"})
clock = lambda: datetime(2026, 1, 1, tzinfo=timezone.utc)
"""
CREATE_SERIES = (
    WORK
    + """
from bson import ObjectId
from pathlib import Path
first = json.loads(Path(sys.argv[2]).read_text())
with open_worker(settings, clock=clock) as worker:
    worker.init_db()
    tasks = [{
        "_id": ObjectId(), "taskId": number, "userId": ObjectId(), "title": zone, "timezone": zone,
        "dueDate": due, "originalDueDate": due, "isCompleted": False, "repeatType": "monthly",
        "recurrence": {"rule": "FREQ=MONTHLY;INTERVAL=3", "horizon": 7},
        "createdAt": clock(), "updatedAt": clock(), "parentRecurringId": None, "parentTaskId": None,
    } for number, (zone, instants) in enumerate(first.items(), 1)
      for due in [datetime.fromtimestamp(instants[48 + 24], timezone.utc)]]
    worker.mongo.tasks.insert_many(tasks)
    worker.mongo.events.insert_many([{
        "operation": "create", "taskId": task["_id"], "createdAt": clock(), "availableAt": clock(), "status": "pending",
    } for task in tasks])
    print(json.dumps(worker.drain(until_empty=True).occurrences_created))
"""
)
"""Has a worker make series of 09:00 on the 15th of every third month, in all zones, January 2026 to October 2027."""
MOVE = (
    WORK
    + """
with open_worker(settings, clock=clock) as worker:
    (check,) = worker.consistency.run(only=["instants_outdated"])
    done = worker.time_zones.run(dry_run=False)
    again = worker.time_zones.run(dry_run=False)
    print(json.dumps([check.count, done.moved, dict(done.stays), again.moved]))
"""
)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return the packages of all releases, by release. `make install` has just asked the same index for as much."""
    folder = tmp_path_factory.mktemp("tzdata")
    wanted = [f"tzdata=={version}" for version in RELEASES.values()]
    command = [sys.executable, "-c", DOWNLOAD, str(folder), *wanted]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    if ran.returncode != 0 and not os.environ.get("CI"):
        pytest.skip(f"not all of them are to be had here: {ran.stderr.splitlines()[-1]}")
    assert ran.returncode == 0, ran.stderr
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as package:
            package.extractall(folder / wheel.name.split("-")[1])
    return {release: folder / version / "tzdata" for release, version in RELEASES.items()}


def told(program: str, package: Path, *arguments: Path | str) -> Any:
    """Run a program whose time zone data are those of a package, and no others."""
    code = f"import sys; sys.argv[1:] = {list(map(str, arguments))!r}\n{program}"
    return asked(code, PYTHONTZPATH=str(package / "zoneinfo"))


@pytest.fixture(scope="session")
def plainly(folders: Mapping[str, Path]) -> Mapping[str, dict[str, list[int]]]:
    """Return, by release and zone, the instants of all walls, as Python alone reads them."""
    for package in folders.values():
        assert told(READ_PLAINLY, package, package, package / "plain.json") > 590
    return {name: json.loads((package / "plain.json").read_text()) for name, package in folders.items()}


@pytest.mark.parametrize(("older", "newer"), [*pairwise(RELEASES), (OLDEST, NEWEST)])
def test_every_slot_that_a_newer_release_puts_elsewhere_is_found_and_no_other(
    folders: Mapping[str, Path], plainly: Mapping[str, dict[str, list[int]]], older: str, newer: str
) -> None:
    written = folders[older] / f"written for {newer}.json"
    assert told(WRITE, folders[older], folders[older], written) == older
    stored = json.loads(written.read_text())
    assert stored == plainly[older], "what the worker writes is what Python reads"

    release, found = told(FIND, folders[newer], written)

    expected = {
        zone: {str(n): new for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
        for zone, before in plainly[older].items()
        if (after := plainly[newer].get(zone)) is not None and before != after
    }
    assert release == newer
    assert found == expected


def test_the_data_of_2026_move_what_is_known_to_have_changed(plainly: Mapping[str, dict[str, list[int]]]) -> None:
    """Else the comparison above could pass with nothing to find."""
    changed = {zone for zone, before in plainly["2025c"].items() if before != plainly[NEWEST][zone]}
    assert {"America/Vancouver", "America/Winnipeg", "Africa/Casablanca", "America/Havana"} <= changed
    assert not {"Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC"} & changed


def test_series_of_all_zones_follow_their_clocks_when_newer_data_are_installed(
    folders: Mapping[str, Path], plainly: Mapping[str, dict[str, list[int]]], mongodb_url: str, db: Database[Document]
) -> None:
    """A worker with the data of 2025 makes them, and one with those of 2026 moves what they put elsewhere."""
    older, newer = plainly["2025b"], plainly[NEWEST]
    made = told(CREATE_SERIES, folders["2025b"], mongodb_url, folders["2025b"] / "plain.json")
    assert made == 7 * len(older)
    slots = range(MORNINGS + 27, MORNINGS + 48, 3)
    outdated = sum(before[n] != newer[zone][n] for zone, before in older.items() for n in slots)
    heads = sum(before[MORNINGS + 24] != newer[zone][MORNINGS + 24] for zone, before in older.items())

    found, moved, stays, again = told(MOVE, folders[NEWEST], mongodb_url)

    assert (found, moved, again) == (outdated, outdated, 0)
    assert sum(stays.values()) == heads
    due: dict[str, list[int]] = defaultdict(list)
    for task in db["tasks"].find({"parentRecurringId": {"$ne": None}}).sort("occurrenceNumber"):
        due[task["timezone"]].append(int(task["dueDate"].timestamp()))
    assert due == {zone: [newer[zone][n] for n in slots] for zone in older}
    assert db["useractivities"].count_documents({"action": "RECURRING_TASK_MOVED"}) == outdated > 20
