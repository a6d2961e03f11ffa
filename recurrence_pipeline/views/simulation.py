"""What simulations show: years of series as tables and little plots, and histories that were told or counted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.views.common import plain

BARS = "▁▂▃▄▅▆▇█"


def simulation_view(data: Mapping[str, Any]) -> RenderableType:
    """Draw what came of each rule and policy, what is open over time, and what was written by year."""
    rows = data["series"]
    documents, sizes = (_by_year(title, rows, key) for title, key in YEARLY)
    where = "a real worker on a database" if data["database"] else "in memory"
    end = f"{counted(data['years'], 'year')} of {counted(len(rows), 'rule and policy', 'rules and policies')}"
    return Group(_totals(rows), documents, sizes, Text(f"{end}, {where}, in {data['seconds']} s; seed {data['seed']}."))


YEARLY = (("Documents written (tasks and activities), by year", "documents"), ("Kilobytes written, by year", "bytes"))


def _totals(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="What came of it", title_justify="left", title_style="bold")
    for name in ("rule", "policy"):
        table.add_column(name, overflow="fold")
    for name in ("tasks", "done", "missed", "retired", "open", "most", "documents", "kB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("open, by quarter", no_wrap=True)
    for row in rows:
        counts = (row["tasks"], row["completed"], row["missed"], row["retired"])
        size = (row["mostOpen"], row["documents"], round(row["bytes"] / 1000))
        numbers = (*(f"{each:,}" for each in counts), f"{row['open']:.1f}", *(f"{each:,}" for each in size))
        table.add_row(_name(row), row["policy"], *numbers, sparkline(row["openByQuarter"]))
    return table


def _by_year(title: str, rows: Sequence[Mapping[str, Any]], key: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("rule", "policy"):
        table.add_column(name, overflow="fold")
    for number, _ in enumerate(rows[0]["byYear"], 1):
        table.add_column(str(number), justify="right")
    for row in rows:
        values = (year[key] / 1000 if key == "bytes" else year[key] for year in row["byYear"])
        table.add_row(_name(row), row["policy"], *(f"{value:,.0f}" for value in values))
    return table


def _name(row: Mapping[str, Any]) -> Text:
    return plain(row["words"] or row["rule"])


def sparkline(values: Sequence[float]) -> str:
    """Draw numbers as bars of text, the highest of them as high as can be."""
    most = max(values, default=0) or 1
    return "".join(BARS[min(int(value / most * len(BARS)), len(BARS) - 1)] for value in values)


def sparklines(data: Mapping[str, Any]) -> str:
    """Draw how many tasks were open in each quarter, a line for each rule and policy."""
    return "".join(f"{sparkline(values)}  {name}\n" for name, values in open_by_quarter(data).items())


def open_by_quarter(data: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    """Return how many tasks were open in each quarter, by rule and policy."""
    return {f"{_name(row).plain}, {row['policy']}": row["openByQuarter"] for row in data["series"]}


def histories_view(data: Mapping[str, Any]) -> RenderableType:
    """Draw how many histories were run, and which seeds broke what."""
    rate = data["histories"] / max(data["seconds"], 0.1)
    said = f"{data['histories']:,} histories of {data['steps']:,} steps, in which {data['tasks']:,} tasks were made"
    lines = [f"{said}: {data['seconds']} s, {rate:,.0f}/s, from seed {data['first']}."]
    if not data["broken"]:
        return Text(f"{lines[0]}\nEvery invariant held.")
    lines += map(broken_line, data["broken"])
    return Group(*map(plain, lines), plain(f"See it: recurrence simulate --replay {data['broken'][0]['seed']}"))


def broken_line(broken: Mapping[str, Any]) -> str:
    """Say which invariant a seed broke, and how."""
    return f"{broken['invariant']} is broken by seed {broken['seed']}: {broken['why']}"


def replay_view(data: Mapping[str, Any]) -> RenderableType:
    """Draw a history step by step, and what its last step broke."""
    return Group(*_story(data))


def _story(data: Mapping[str, Any]) -> Iterator[RenderableType]:
    for number, step in enumerate(data["steps"], 1):
        yield plain(f"{number:>3}  {step}")
    broken = data["broken"]
    if broken is None:
        yield Text(f"Every invariant held in the history of seed {data['seed']}.")
    else:
        yield Text.assemble((f"{broken['invariant']} is broken: ", "bold red"), plain(broken["why"]))
