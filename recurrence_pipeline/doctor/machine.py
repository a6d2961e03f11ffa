"""What the doctor sees without asking anybody: versions, time zone data, names of variables, keys, disks."""

import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path

from recurrence_pipeline.config.logs import FILE_BYTES
from recurrence_pipeline.config.maintenance_times import late_maintenance
from recurrence_pipeline.config.settings import Settings, variables
from recurrence_pipeline.config.time_zone_data import PACKAGE, PYTHONTZPATH, TimeZoneData
from recurrence_pipeline.doctor.rules import HealthCheckResult, fault, ok, warn
from recurrence_pipeline.domain.words import counted

PARTS = ("recurrence-pipeline", "dagster", "dagster-webserver", "pymongo")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
FORMERLY = {"WORKER_LINGER": "WORKER_IDLE_TIMEOUT", "WORKER_LANES": "WORKER_SHARDS"}
"""Names of earlier builds, and what took their place."""
ALIKE = 0.85
"""How much a name must look like one of ours to be taken for a slip of the pen (difflib's ratio)."""
SHORTEST_KEY = 16
"""In bytes."""
YEAR = timedelta(days=365)
GIGABYTE = 1 << 30
LITTLE, TOO_LITTLE = GIGABYTE, GIGABYTE // 10
DAGSTER_HOME, DAGSTER_YAML = "DAGSTER_HOME", "dagster.yaml"
PASSWORD_IN_URL = re.compile(r"^[^#\n]*://[^\s/@]*:[^\s/@]+@", re.MULTILINE)


def look_at_versions() -> Iterator[HealthCheckResult]:
    """Say what is installed; Dagster's parts must have one version."""
    found = {name: version(name) for name in PARTS}
    text = ", ".join([f"Python {platform.python_version()}", *(f"{name} {each}" for name, each in found.items())])
    if found["dagster"] != found["dagster-webserver"]:
        yield fault("versions", text, "Install this package again, so that both parts of Dagster have one version.")
    else:
        yield ok("versions", text)


def look_at_time_zones(data: TimeZoneData, now: datetime) -> HealthCheckResult:
    """Say which time zone data are used, and whether newer ones are to be had."""
    name, found = "time zone data", str(data)
    packages = [each for each in (data.used, *data.passed_over) if each and each.source == PACKAGE]
    if data.used is None:
        return fault(name, "there are none: UTC alone is known", f"Install {PACKAGE}.")
    if data.newer:
        return warn(name, found, f"Unset {PYTHONTZPATH}, and start the programs again: {data.newer} is newer.")
    if not packages:
        return warn(name, found, f"Install {PACKAGE}, which belongs to this one: it is updated without the system.")
    if data.used.year is None or data.used.year < (now - YEAR).year:
        advice = "No such data are less than a year old: pip install --upgrade tzdata, and start the programs again."
        return warn(name, found, advice)
    return ok(name, found)


def look_at_maintenance(settings: Settings, now: datetime) -> HealthCheckResult:
    """Say when the maintenance comes, and whether a day of the next year has no such time."""
    late = late_maintenance(settings, now.date())
    if late:
        return warn("maintenance", late, "Choose an earlier time, or another MAINTENANCE_TIMEZONE.")
    daily, weekly = f"{settings.daily_maintenance_time:%H:%M}", f"{settings.weekly_maintenance_time:%H:%M}"
    found = f"daily at {daily}, on {settings.weekly_maintenance_day} at {weekly} ({settings.maintenance_timezone})"
    return ok("maintenance", found)


def look_at_names(environment: Mapping[str, str]) -> HealthCheckResult:
    """Find variables that are nearly one of ours, or were: nobody reads them, and nobody says so."""
    ours = variables()
    slips = {
        name: [FORMERLY[name]] if name in FORMERLY else get_close_matches(name, ours - environment.keys(), 1, ALIKE)
        for name in environment.keys() - ours
    }
    meant = [f"{name} (is {alike[0]} meant?)" for name, alike in sorted(slips.items()) if alike]
    if meant:
        return warn("settings", f"not read: {', '.join(meant)}", "Rename the variable, or remove it.")
    given = len(ours.intersection(environment))
    return ok("settings", f"valid: {given} set, the rest are the defaults")


def look_at_access(settings: Settings) -> HealthCheckResult:
    """Say who may ask the internal API."""
    keys = settings.api_keys()
    beyond = [host for host in settings.host if host not in LOOPBACK]
    advice = "Set INTERNAL_API_KEY, here and in the application: openssl rand -hex 32"
    if not keys and beyond:
        return fault("access", f"the API listens on {', '.join(beyond)}, and INTERNAL_API_KEY is not set", advice)
    if not keys:
        return ok("access", "no key: this machine only, which includes any proxy on it")
    if min(map(len, keys)) < SHORTEST_KEY:
        return warn("access", f"a key has less than {SHORTEST_KEY} bytes: it can be guessed", advice)
    return ok("access", counted(len(keys), "key"))


def look_at_disks(settings: Settings, environment: Mapping[str, str]) -> Iterator[HealthCheckResult]:
    """Look at what LOG_FILE and DAGSTER_HOME name: room, rotation, passwords; each only where it is set here."""
    home = environment.get(DAGSTER_HOME, "").strip()
    # A log file that cannot be written to is a wrong setting already.
    places = {"LOG_FILE": settings.log_file.parent if settings.log_file else None, DAGSTER_HOME: home and Path(home)}
    for variable, folder in places.items():
        if folder:
            yield _disk(variable, folder)
    if settings.log_file and settings.log_file.is_file():
        yield _rotation(settings.log_file)
    if home and (Path(home) / DAGSTER_YAML).is_file():
        yield _dagster_yaml(Path(home) / DAGSTER_YAML)


def _rotation(log: Path) -> HealthCheckResult:
    """Say whether the log is begun anew when it is full; another program that rotates it, too, gets in the way."""
    size, megabyte = log.stat().st_size, 1 << 20
    found = f"{log} has {size / megabyte:.0f} MB of {FILE_BYTES // megabyte}"
    if size > 2 * FILE_BYTES:
        advice = "Take it out of logrotate, and let all programs that write it be of this version and the same user."
        return warn("log rotation", found, advice)
    return ok("log rotation", found)


def _dagster_yaml(path: Path) -> HealthCheckResult:
    """Look for passwords: what stands in that file, Dagster hands on to its processes as arguments."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if PASSWORD_IN_URL.search(text):
        found = f"a URL with a password stands in {path}: `ps` shows it to everybody on this machine"
        advice = "Put it into a variable, and {env: THE_VARIABLE} into the file, as in deploy/dagster.distributed.yaml."
        return fault("dagster.yaml", found, advice)
    return ok("dagster.yaml", f"no password stands in {path}")


def _disk(variable: str, folder: Path) -> HealthCheckResult:
    name = f"disk of {variable}"
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        advice = f"Make {folder}, and have it belong to the user that the programs run as."
        return fault(name, f"{folder} is no folder that can be written to", advice)
    free = shutil.disk_usage(folder).free
    found = f"{free / GIGABYTE:.1f} GB free at {folder}"
    if free < LITTLE:
        tell = fault if free < TOO_LITTLE else warn
        return tell(name, found, "Free some space: Dagster stops when it cannot write its history.")
    return ok(name, found)
