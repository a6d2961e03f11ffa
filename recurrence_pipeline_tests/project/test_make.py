"""What `make` says to a Python that it cannot use, before anything is installed: one line, and what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder as a fresh clone is: with nothing installed."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def made(clone: Path, target: str, version: str, **environment: str) -> tuple[int, list[str]]:
    """Make a target with a Python that says it is of this version, and that installs nothing."""
    python = clone / f"python{version}"
    major, minor = version.split(".")
    python.write_text(
        "#!/bin/sh\n"
        '[ "$1" = -c ] || { echo "installs"; exit 1; }\n'
        f'exec {sys.executable} -c "import sys; sys.version_info = ({major}, {minor}, 0); exec(sys.argv[1])" "$2"\n'
    )
    python.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MONGODB_URL"))}
    command = ["make", "--no-print-directory", target, f"PYTHON={python}"]
    done = subprocess.run(command, cwd=clone, env=clean | environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("version", ["3.8", "3.10"])
@pytest.mark.parametrize("target", ["install", "demo", "test"])
def test_an_older_python_is_told_which_one_is_needed(clone: Path, target: str, version: str) -> None:
    """Else pip says so after its own fashion, or a test fails in the middle."""
    code, lines = made(clone, target, version)
    assert code == 2
    (line,) = lines
    assert line.startswith("Python 3.11 or newer is needed")
    assert f"python{version} is older" in line
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("target", ["demo", "up"])
def test_a_python_without_the_embedded_database_is_told_before_anything_is_installed(clone: Path, target: str) -> None:
    code, lines = made(clone, target, "3.14")
    assert code == 2
    (line,) = lines
    assert "no embedded database: use 3.11 to 3.13" in line
    assert line.endswith("or set MONGODB_URL")
    assert made(clone, target, "3.14", MONGODB_URL="mongodb://db.example.org/app")[1][-1] == "installs"


@pytest.mark.parametrize("version", ["3.11", "3.13", "3.14"])
def test_a_python_that_can_be_used_is(clone: Path, version: str) -> None:
    assert made(clone, "install", version)[1][-1] == "installs"
