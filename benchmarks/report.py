"""Showing figures and keeping them: a table on the terminal, JSON in a file, a plot of cost over backlog size."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.stage import SERVER

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("pymongo", "dagster", "SecantusDB", "python-dateutil", "fastapi", "uvicorn")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a benchmark found: rows, and what is too long for a table."""

    title: str
    rows: Sequence[Row]
    extra: Mapping[str, Any] = field(default_factory=dict)


def circumstances() -> dict[str, Any]:
    """Say where and when figures were taken; the load at first is that of others."""
    return {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "database": "a server of its own" if os.environ.get(SERVER) else "embedded",
        "versions": {name: version(name) for name in PACKAGES},
    }


def show(figures: Figures, console: Console) -> None:
    """Print a table for each stretch of rows that have the same columns."""
    for index, (columns, rows) in enumerate(groupby(figures.rows, key=tuple)):
        console.print(table(list(rows), columns, "" if index else figures.title))


def table(rows: Sequence[Row], columns: Sequence[str], title: str) -> Table:
    """Lay rows out: words to the left, numbers to the right."""
    laid_out = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD)
    for name in columns:
        laid_out.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        laid_out.add_row(*(shown(row[name]) for name in columns))
    return laid_out


def shown(value: object) -> str:
    """Write a value with as many digits as it is worth."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def page(last: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> str:
    """Write the last figures as Markdown."""
    parts = [
        "# The last figures\n",
        "Written by `make bench ONLY=--keep`; [README.md](README.md) says how to read them.\n",
    ]
    for name in names:
        figures = last[name]
        versions = ", ".join(f"{package} {number}" for package, number in figures["versions"].items())
        parts.append(f"## {name}: {figures['title']}\n")
        parts.append(
            f"{figures['at']}, {figures['machine']}, load {figures['load']} before it began; "
            f"database: {figures['database']}; Python {figures['python']}, {versions}.\n"
        )
        parts += [markdown(list(rows), columns) for columns, rows in groupby(figures["rows"], key=tuple)]
    return "\n".join(parts)


def markdown(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Write rows that have the same columns as a table."""
    rule = [":--" if isinstance(rows[0][name], str) else "--:" for name in columns]
    lines = [columns, rule, *([shown(row[name]) for name in columns] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def keep(name: str, figures: Figures, folder: Path, taken: Mapping[str, Any]) -> Path:
    """Write the figures, and where they were taken, to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = {"title": figures.title, **taken, "rows": list(figures.rows), **figures.extra}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def plot(figures: Figures, path: Path) -> None:
    """Draw cost per event over the length of the backlog."""
    figure = Figure(figsize=(7, 3.2), dpi=100, layout="constrained")
    axes = figure.subplots()
    sizes = [row["backlog"] for row in figures.rows]
    for name in ("us/event", "server CPU us/event", "CPU us/event"):
        axes.plot(sizes, [row[name] for row in figures.rows], marker="o", label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("events in the queue at first")
    axes.set_title("Cost of one event", loc="left", fontsize=11)
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path)
