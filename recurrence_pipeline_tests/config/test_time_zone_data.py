"""The newest time zone data of a machine are used, in every process, and it is said which they are."""

import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from recurrence_pipeline.config.time_zone_data import PACKAGE, Release, TimeZoneData
from recurrence_pipeline.doctor.machine import look_at_time_zones
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline_tests.time_zones import NEWER, NEWEST, OLDER, asked, on_system, system_data

NOW = datetime(2026, 11, 28, tzinfo=timezone.utc)

CHOICE = """
import json
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
first = use_newest_time_zone_data()
assert use_newest_time_zone_data() == first, "it may be called again"
from datetime import datetime
from recurrence_pipeline.domain.zones import time_zone
offset = datetime(2026, 12, 1, tzinfo=time_zone("America/Vancouver")).utcoffset()
print(json.dumps(first.as_json() | {"vancouver": offset.total_seconds() / 3600}))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def chosen(folder: Path, home: Path, **environment: str) -> Any:
    return asked(CHOICE, **on_system(folder, home), **environment)


def test_a_package_that_is_newer_than_the_system_is_used(tmp_path: Path, home: Path) -> None:
    """Python takes the system's files, and in December 2026 Vancouver would be an hour off."""
    system = system_data(tmp_path / "zoneinfo", OLDER)
    found = chosen(system, home)
    assert (found["version"], found["source"], found["vancouver"]) == (NEWEST, "the package tzdata", -7)
    assert found["passedOver"] == [{"version": OLDER, "source": str(system)}]


def test_a_system_that_is_newer_than_the_package_is_used(tmp_path: Path, home: Path) -> None:
    system = system_data(tmp_path / "zoneinfo", NEWER)
    found = chosen(system, home)
    assert (found["version"], found["source"], found["vancouver"]) == (NEWER, str(system), -8)


@pytest.mark.parametrize(
    ("name", "line"), [("tzdata.zi", "# version {}-dirty"), ("+VERSION", "{}"), ("version", "{}")], ids=str
)
def test_a_system_s_version_is_read_wherever_it_stands(tmp_path: Path, home: Path, name: str, line: str) -> None:
    system = system_data(tmp_path / "zoneinfo", NEWER, name=name, line=line)
    assert chosen(system, home)["version"] == NEWER


def test_a_system_that_does_not_say_its_version_is_passed_over(tmp_path: Path, home: Path) -> None:
    found = chosen(system_data(tmp_path / "zoneinfo", None), home)
    assert (found["version"], found["passedOver"][0]["version"]) == (NEWEST, None)


def test_a_system_without_any_data_leaves_the_package(tmp_path: Path, home: Path) -> None:
    (tmp_path / "zoneinfo").mkdir()
    found = chosen(tmp_path / "zoneinfo", home)
    assert (found["version"], found["passedOver"]) == (NEWEST, [])


def test_what_an_operator_chose_with_pythontzpath_is_left_alone_and_named(tmp_path: Path) -> None:
    system = system_data(tmp_path / "zoneinfo", OLDER)
    found = asked(CHOICE, PYTHONTZPATH=str(system))
    assert (found["version"], found["vancouver"], found["chosenByPYTHONTZPATH"]) == (OLDER, -8, True)
    assert asked(CHOICE, PYTHONTZPATH="")["version"] == NEWEST, "empty: the package"


def test_a_name_that_only_the_older_data_have_is_still_a_zone(tmp_path: Path, home: Path) -> None:
    """Systems have names of their own (posix/..., localtime), and a series may have one."""
    system = system_data(tmp_path / "zoneinfo", OLDER)
    shutil.copy(system / "America/Vancouver", system / "posix")
    program = """
import json
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.zones import time_zone
use_newest_time_zone_data()
print(json.dumps(str(time_zone("posix"))))
"""
    assert asked(program, **on_system(system, home)) == "posix"


def test_what_was_loaded_before_the_choice_is_loaded_anew(tmp_path: Path, home: Path) -> None:
    """Else a zone that a setting was checked with keeps its older rule for as long as the process lives."""
    program = """
import json
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from recurrence_pipeline.domain.zones import time_zone, wall_clock
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
noon = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)
hours = lambda: [wall_clock("time", noon, time_zone("America/Vancouver")).hour,
                 noon.astimezone(ZoneInfo("America/Vancouver")).hour]
before = hours()
use_newest_time_zone_data()
print(json.dumps([before, hours()]))
"""
    found = asked(program, **on_system(system_data(tmp_path / "zoneinfo", OLDER), home))
    assert found == [[4, 4], [5, 5]]


@pytest.mark.parametrize("begins", ["2026-12-01", "2027-07-01"])
def test_slots_follow_the_newer_data(tmp_path: Path, home: Path, begins: str) -> None:
    """Any worker that is opened, by whatever program, places the same slot at the same time."""
    program = f"""
import json
from datetime import datetime
from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.domain.calendar import slot
from recurrence_pipeline.config.settings import Settings
settings = Settings.from_environment({{"RECURRENCE_TIMEZONE": "America/Vancouver"}})
with open_worker(settings):
    anchor = datetime.fromisoformat("{begins}T09:00-07:00")
    print(json.dumps([slot(anchor, "monthly", n, settings.recurrence_timezone).isoformat() for n in range(1, 9)]))
"""
    found = asked(program, **on_system(system_data(tmp_path / "zoneinfo", OLDER), home))
    assert {time[10:] for time in found} == {"T16:00:00+00:00"}


def test_the_command_says_which_data_it_uses(tmp_path: Path, home: Path) -> None:
    system = system_data(tmp_path / "zoneinfo", OLDER)
    program = """
import contextlib, io, json
from recurrence_pipeline.cli import main
out = io.StringIO()
with contextlib.redirect_stdout(out):
    main(["version", "--json"])
    main(["version"])
print(json.dumps(out.getvalue()))
"""
    printed = asked(program, **on_system(system, home))
    assert f'"version": "{NEWEST}"' in printed
    found = " ".join(printed.split())
    assert f"time zone data {NEWEST} (the package tzdata); passed over: {OLDER} ({system})" in found


# What the doctor says of it


PACKAGED = Release("2026f", "/venv/tzdata/zoneinfo", PACKAGE)
SYSTEM = Release("2025b", "/usr/share/zoneinfo", "/usr/share/zoneinfo")


@pytest.mark.parametrize(
    ("data", "level", "words"),
    [
        (TimeZoneData(PACKAGED, (SYSTEM,)), Severity.OK, "2026f (the package tzdata); passed over: 2025b"),
        (TimeZoneData(PACKAGED), Severity.OK, "2026f"),
        (TimeZoneData(SYSTEM, (PACKAGED,), chosen=True), Severity.WARNING, "chosen by PYTHONTZPATH"),
        (TimeZoneData(SYSTEM), Severity.WARNING, "2025b (/usr/share/zoneinfo)"),
        (TimeZoneData(Release(None, "/z", PACKAGE)), Severity.WARNING, "an unknown version"),
        (TimeZoneData(Release("2024b", "/z", PACKAGE)), Severity.WARNING, "2024b"),
        (TimeZoneData(Release("2025c", "/z", PACKAGE)), Severity.OK, "2025c"),
        (TimeZoneData(None), Severity.ERROR, "UTC alone"),
    ],
)
def test_the_doctor_warns_of_data_that_are_not_the_newest(data: TimeZoneData, level: Severity, words: str) -> None:
    found = look_at_time_zones(data, NOW)
    assert (found.severity, bool(found.advice)) == (level, level is not Severity.OK)
    assert words in found.found


def test_releases_are_sorted_by_year_and_letters() -> None:
    names = ["2026zb", None, "2025c", "2026z", "2027a", "2026a", "2025b", "2026za"]
    releases = sorted((Release(name, "/", "/") for name in names), key=Release.newness)
    assert [each.version for each in releases] == [
        *(None, "2025b", "2025c", "2026a", "2026z", "2026za", "2026zb", "2027a")
    ]
