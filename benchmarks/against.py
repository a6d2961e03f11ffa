"""This build against an earlier one: both measured by the same program, in turns, in one run. Ratios hold.

The earlier build gets a folder of its own and, with the packages that its requirements.lock names, an environment of
its own. They stay, so that the next run begins at once.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.report import Figures, Row
from benchmarks.side import Found
from benchmarks.size import Size

HERE = Path(__file__).parents[1]
BUILDS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recurrence-bench"
"""Not among our own files, where each tool would take them for ours."""
SIDE = Path(__file__).with_name("side.py")
BATCH = 500


@dataclass(frozen=True, slots=True)
class Build:
    """A checkout, and the Python of its environment."""

    folder: Path
    python: Path

    def measured(self, size: Size) -> Found:
        """Measure it, in processes of its own."""
        return self.found(SIDE, min(size.events, BATCH), size.repeats // 50 + 1, size.requests // 3 + 1, *size.clients)

    def found(self, program: Path, *arguments: str | int) -> Found:
        """Return what a program measures in its environment."""
        done = subprocess.run(
            [self.python, "-P", program, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            cwd=self.folder,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        found: Found = json.loads(done.stdout.splitlines()[-1])
        return found


THIS = Build(HERE, Path(sys.executable))


def earlier(commit: str) -> Build:
    """Return an earlier build, after making what it needs."""
    folder = BUILDS / commit
    build = Build(folder, folder / ".venv" / "bin" / "python")
    ready = folder / ".venv" / ".ready"
    if not ready.exists():
        asked = ["git", "archive", "--format=tar", commit]
        packed = subprocess.run(asked, cwd=HERE, check=True, stdout=subprocess.PIPE).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            files.extractall(folder, filter="data")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / ".venv"], check=True)
        pip: list[str | Path] = [build.python, "-m", "pip", "install", "-qqq", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", folder / "requirements.lock"], check=True)
        subprocess.run([*pip, "--no-deps", "--editable", folder], check=True)
        ready.touch()
    return build


def compared(rounds: Sequence[tuple[Found, Found]]) -> list[Row]:
    """Hold what was found of the build of now against that of then, round by round."""
    names = [name for name in rounds[0][0] if name in rounds[0][1]]
    return [
        {
            "what": name,
            "then": median(then[name] for _, then in rounds),
            "now": median(now[name] for now, _ in rounds),
            "ratio": median(now[name] / then[name] if then[name] else 1.0 for now, then in rounds),
        }
        for name in names
    ]


def main(size: Size, commit: str) -> Figures:
    """Measure this build and that of a commit, in turns."""
    then = earlier(commit)
    rounds = [(THIS.measured(size), then.measured(size)) for _ in range(size.rounds)]
    return Figures(f"This build against {commit}", compared(rounds))
