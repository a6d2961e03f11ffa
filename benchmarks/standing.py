"""This build against an earlier one as they stand: start and memory of the whole system, and a pass of the checks.

As `against`: one program measures both, in turns, in one run, and ratios hold.
"""

from pathlib import Path

from benchmarks.against import THIS, compared, earlier
from benchmarks.report import Figures
from benchmarks.side import Found
from benchmarks.size import Size

SIDE = Path(__file__).with_name("standing_side.py")


def main(size: Size, commit: str) -> Figures:
    """Measure this build and that of a commit, in turns."""
    then = earlier(commit)

    def both(what: str, count: int) -> tuple[Found, Found]:
        now, before = (build.found(SIDE, what, count) for build in (THIS, then))
        return now, before

    rows = compared([both("rest", size.idle) for _ in range(size.rounds)])
    rows += compared([both("checks", max(size.tasks))])  # once: long, and nearly all of it is the processor's
    return Figures(f"This build against {commit}, as they stand", rows)
