"""Time zone data for tests: a system's, of any version, made of the files of the package; and programs on it."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

PACKAGE = Path(str(files("tzdata") / "zoneinfo"))
YEAR, NUMBER = version("tzdata").split(".")[:2]
NEWEST = YEAR + "_abcdefghijklmnopqrstuvwxyz"[int(NUMBER)]
"""2026.6 of PyPI is 2026f of IANA."""
OLDER, NEWER = "2020a", "2999a"
LIKE_LOS_ANGELES = {"America/Vancouver": "America/Los_Angeles"}
"""As Vancouver's clocks were until 2026, and still are in older data."""

OTHERS = ("UTC", "America/Los_Angeles", "Europe/Berlin")


def system_data(folder: Path, release: str | None, *, name: str = "tzdata.zi", line: str = "# version {}") -> Path:
    """Make the folder that a system of this version has, in which Vancouver goes by the older rule; and return it."""
    for zone, source in (LIKE_LOS_ANGELES | dict(zip(OTHERS, OTHERS, strict=True))).items():
        (folder / zone).parent.mkdir(parents=True, exist_ok=True)
        (folder / zone).write_bytes((PACKAGE / source).read_bytes())
    if release is not None:
        (folder / name).write_text(f"{line.format(release)}\nR d 1916 o - Jun 14 23s 1 S\n")
    return folder


def on_system(folder: Path, home: Path) -> dict[str, str]:
    """Return the variables with which every Python program finds `folder` where the system's data are.

    PYTHONTZPATH would not do: that is an operator's choice.
    """
    home.mkdir(exist_ok=True)
    (home / "sitecustomize.py").write_text(f"import zoneinfo\nzoneinfo.reset_tzpath(to=[{str(folder)!r}])\n")
    return {"PYTHONPATH": str(home)}


def asked(program: str, **environment: str) -> Any:
    """Run a program in a process of its own, and return what it printed as JSON."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONTZPATH"} | environment
    ran = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])
