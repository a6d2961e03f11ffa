"""Which time zone data are used: the newest of this machine, in every process of ours.

Python takes the operating system's files first, however old they are, and the package `tzdata`, which is installed with
this one, only for what those lack (docs.python.org, "zoneinfo", "Data sources"). Governments change their clocks at
short notice: with last year's files a slot of this year is an hour off, and nothing says so. So each entry point calls
`use_newest_time_zone_data`. The choice holds for the process, Dagster's schedules in it included. Where an operator
has set PYTHONTZPATH, that is the choice.
"""

import os
import re
import zoneinfo
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recurrence_pipeline.domain.zones import forget_zones

PYTHONTZPATH = "PYTHONTZPATH"
PACKAGE = "the package tzdata"
VERSION_FILES = ("tzdata.zi", "+VERSION", "version")
"""What names the version in its first line: of most systems and of the package, of macOS and Red Hat, of IANA."""
VERSION = re.compile(r"\b\d{4}[a-z]+\b")
"""The year, and a letter; after `z` comes `za` (IANA, "Theory and pragmatics of the tz code and data")."""
EVERYWHERE = ("UTC", "Etc/UTC")
"""A folder that has neither holds no zones."""


@dataclass(frozen=True, slots=True)
class Release:
    """Time zone data in a folder. `version` is IANA's, such as 2026f; None where nothing says it."""

    version: str | None
    folder: str
    source: str

    @property
    def year(self) -> int | None:
        """The year it was made in."""
        return int(self.version[:4]) if self.version else None

    def newness(self) -> str:
        """Return what sorts releases, the oldest first; one that does not say its version comes before all."""
        return self.version or ""

    def __str__(self) -> str:
        return f"{self.version or 'an unknown version'} ({self.source})"


@dataclass(frozen=True, slots=True)
class TimeZoneData:
    """The data that are used, and the others that are on this machine.

    `chosen` says that PYTHONTZPATH has decided. `used` is None where there are none at all: no zone but UTC is known.
    """

    used: Release | None
    passed_over: tuple[Release, ...] = ()
    chosen: bool = False

    @property
    def version(self) -> str | None:
        """IANA's name of what is used."""
        return self.used.version if self.used else None

    @property
    def newer(self) -> Release | None:
        """The newest of those that were passed over, where it is newer than what is used."""
        newest = max(self.passed_over, key=Release.newness, default=None)
        return newest if newest and (self.used is None or newest.newness() > self.used.newness()) else None

    def __str__(self) -> str:
        others = f"; passed over: {', '.join(map(str, self.passed_over))}" if self.passed_over else ""
        return f"{self.used or 'none'}{', chosen by PYTHONTZPATH' if self.chosen else ''}{others}"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        used = {"version": self.version, "source": self.used.source if self.used else None}
        others = [{"version": each.version, "source": each.source} for each in self.passed_over]
        return {**used, "passedOver": others, "chosenByPYTHONTZPATH": self.chosen}


def use_newest_time_zone_data() -> TimeZoneData:
    """Have this process use the newest time zone data on this machine, and say which they are.

    May be called again and from any thread: it reads some lines, and changes nothing where all is as it should be. A
    zone that the newest data lack (a system's `posix/...`, or its old names) still comes from the others.
    """
    data = find_time_zone_data()
    if data.used and not data.chosen and data.used.folder not in zoneinfo.TZPATH[:1]:
        others = [folder for folder in zoneinfo.TZPATH if folder != data.used.folder]
        zoneinfo.reset_tzpath(to=[data.used.folder, *others])
        zoneinfo.ZoneInfo.clear_cache()
        forget_zones()
    return data


def find_time_zone_data() -> TimeZoneData:
    """Say which data there are, and which of them `use_newest_time_zone_data` takes."""
    package = _package()
    releases = list(_releases([*zoneinfo.TZPATH, *([package] if package else [])], package))
    chosen = PYTHONTZPATH in os.environ
    used = next(iter(releases), None) if chosen else max(releases, key=Release.newness, default=None)
    return TimeZoneData(used, tuple(each for each in releases if each != used), chosen)


def _package() -> str | None:
    spec = find_spec("tzdata")
    places = spec.submodule_search_locations if spec else None
    return str(Path(places[0], "zoneinfo")) if places else None


def _releases(folders: Iterable[str], package: str | None) -> Iterable[Release]:
    for folder in dict.fromkeys(folders):
        if any(Path(folder, zone).is_file() for zone in EVERYWHERE):
            yield Release(_version(Path(folder)), folder, PACKAGE if folder == package else folder)


def _version(folder: Path) -> str | None:
    for name in VERSION_FILES:
        with suppress(OSError), (folder / name).open(encoding="ascii", errors="replace") as file:
            if found := VERSION.search(file.readline(200)):
                return found[0]
    return None
