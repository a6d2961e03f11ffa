"""`python -m benchmarks`: measure, print tables, and write the figures to benchmarks/results/*.json."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.report import RESULTS, Figures, circumstances, keep, page, plot, show
from benchmarks.size import FULL, QUICK, USUALLY, Size

NAMES = (
    "slots",
    "throughput",
    "batch_size",
    "http_latency",
    "pages",
    "maintenance",
    "growth",
    "run_history",
    "follow",
    "rest",
    "backlog",
)
"""The quick ones first."""

AGAINST = ("against", "standing")
"""Not among them: they need an earlier build, `against COMMIT`, and the network for the packages of it."""

ALONE = ("extremes",)
"""Nor are these: hours on the embedded database."""

WHAT = "Measure, print tables, and write the figures to benchmarks/results/*.json."

WIDTH = 160
"""Columns: narrower, the tables cannot be read."""

LAST = Path(__file__).parent / "last.json"
PAGE = Path(__file__).parent / "FIGURES.md"
PLOT = Path(__file__).parent / "backlog.png"


def benchmark(name: str) -> Callable[[Size], Figures]:
    """Return the benchmark of that name."""
    found: Callable[[Size], Figures] = import_module(f"benchmarks.{name}").main
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=WHAT,
    )
    against = f"one of {', '.join(AGAINST)} with a COMMIT"
    names = f"of {', '.join(NAMES)}; none: all of them; or {', '.join(ALONE)}; or {against}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--quick", action="store_true", help="see in a few minutes that everything works")
    parser.add_argument("--most", type=int, default=USUALLY, help="the longest backlog, and most tasks")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder for the figures")
    parser.add_argument(
        "--keep", action="store_true", help="put the figures into benchmarks/last.json and FIGURES.md, and the plot"
    )
    chosen = parser.parse_args(arguments)
    size = limited(QUICK if chosen.quick else FULL, chosen.most)
    if len(chosen.names) == 2 and chosen.names[0] in AGAINST:
        name, commit = chosen.names
        compare: Callable[[Size, str], Figures] = import_module(f"benchmarks.{name}").main
        measured(name, lambda: compare(size, commit), chosen)
        return 0
    if unknown := set(chosen.names) - {*NAMES, *ALONE}:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    for name in chosen.names or NAMES:
        figures = measured(name, partial(benchmark(name), size), chosen)
        if chosen.keep and name == "backlog":
            plot(figures, PLOT)
    return 0


def measured(name: str, measure: Callable[[], Figures], chosen: argparse.Namespace) -> Figures:
    """Measure, print the table, and keep the figures."""
    console = Console(width=max(Console().width, WIDTH))
    began, taken = time.monotonic(), circumstances()
    figures = measure()
    show(figures, console)
    path = keep(name, figures, chosen.results, taken)
    console.print(f"{time.monotonic() - began:.0f} s, load at first {taken['load']}: {path}\n", highlight=False)
    if chosen.keep:
        remember(name, json.loads(path.read_text(encoding="utf-8")))
    return figures


def limited(size: Size, most: int) -> Size:
    """Leave out what is longer than that."""
    return replace(
        size,
        backlogs=tuple(length for length in size.backlogs if length <= most),
        tasks=tuple(count for count in size.tasks if count <= most),
        members=tuple(count for count in size.members if count <= most),
        of_one_user=tuple(count for count in size.of_one_user if count <= most),
    )


def remember(name: str, content: dict[str, Any]) -> None:
    """Put figures among the last ones."""
    last = json.loads(LAST.read_text(encoding="utf-8")) if LAST.exists() else {}
    last[name] = content
    LAST.write_text(json.dumps(last, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(last, [known for known in (*AGAINST, *NAMES, *ALONE) if known in last]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
