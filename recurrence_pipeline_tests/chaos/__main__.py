"""`make chaos`: the long run. RECURRENCE_CHAOS_SEED repeats its choices; RECURRENCE_CHAOS_EVENTS makes it longer."""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import SystemRandom

from rich.console import Console
from rich.table import Table

from recurrence_pipeline_tests.chaos.running import Report, Scale, run_chaos
from recurrence_pipeline_tests.chaos.untold import UntoldScale, run_untold

EVENTS = 5000


def main() -> int:
    """Run both and print what happened: an application that tells of its changes, and one that tells nobody."""
    console = Console(width=100)
    seed = int(os.environ.get("RECURRENCE_CHAOS_SEED") or SystemRandom().randrange(10**6))
    events = int(os.environ.get("RECURRENCE_CHAOS_EVENTS") or EVENTS)
    told = Scale(events=events, workers=3, daemon=True, between_kills=(0.5, 5), between_acts=(0, 0.02))
    untold = UntoldScale(changes=2 * events, kills=20)
    console.print(f"Chaos with seed {seed}: RECURRENCE_CHAOS_SEED={seed} repeats its choices", highlight=False)
    runs: tuple[Callable[..., Report], ...] = (partial(run_chaos, told), partial(run_untold, untold))
    return max(_shown(run, seed, console) for run in runs)


def _shown(run: Callable[..., Report], seed: int, console: Console) -> int:
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {text}", highlight=False)

    with tempfile.TemporaryDirectory(prefix="recurrence-chaos-", ignore_cleanup_errors=True) as folder:
        report = run(seed=seed, folder=Path(folder), say=say)
    console.print(table(report))
    for found in report.findings:
        console.print(f"WRONG: {found}", style="red", highlight=False)
    console.print("The checks of the data find nothing." if not report.findings else f"{len(report.findings)} findings")
    return 1 if report.findings else 0


def table(report: Report) -> Table:
    """Show the numbers of a run."""
    drawn = Table("what", "how much", title=f"Chaos, seed {report.seed}")
    drawn.columns[1].justify = "right"
    for name, number in report.numbers.items():
        drawn.add_row(name, str(number))
    drawn.add_row("wall time", f"{report.wall_time.total_seconds():.0f} s")
    return drawn


if __name__ == "__main__":
    sys.exit(main())
