"""What the terminal shows of a changed series, slot by slot. Beside common.py, by the same rules."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from recurrence_pipeline.domain.difference import ChangeKind, Difference
from recurrence_pipeline.domain.zones import time_zone
from recurrence_pipeline.views.common import Data, plain, table_of

NOT_WRITTEN = "Nothing was written: say --yes to do it."


def difference_data(difference: Difference) -> dict[str, Any]:
    """Return what an operation changes in a series; `was` is null where the due date stays."""
    return {
        "seriesId": difference.series_id,
        "written": difference.written,
        "changes": [
            {
                "kind": each.kind.value,
                "taskId": each.task_id,
                "slot": each.slot,
                "due": each.due,
                "was": each.was,
                "why": each.why,
            }
            for each in difference.changes
        ],
    }


def difference_view(data: Data, *, timezone: str, how: str = NOT_WRITTEN) -> RenderableType:
    """Draw what an operation changes, on the wall clock of the series; `how` says what to do to have it done."""
    title = f"Series {data['seriesId']}, on the clock of {timezone}"
    table = table_of(title, "change", "slot", "due", "task, and why")
    table.columns[2].no_wrap = True
    for row in data["changes"]:
        number = "+" if row["slot"] is None else str(row["slot"])
        task = Text(row["taskId"]) + "\n" + plain(row["why"])
        table.add_row(row["kind"], number, "\n".join(_times(row, timezone)), task)
    tail = summary(data) if data["written"] else f"{summary(data)} {how}"
    return Group(*([table] if data["changes"] else []), Text(tail))


def summary(data: Data) -> str:
    """Return one sentence about a difference: how many tasks move, go ..."""
    counts = Counter(row["kind"] for row in data["changes"])
    if not counts:
        return "No task changes."
    said = [f"{counts[kind]} {_verb(kind, counts[kind])}" for kind in ChangeKind if counts[kind]]
    return f"{'Done' if data['written'] else 'It would be so'}: {', '.join(said)}."


def _verb(kind: ChangeKind, count: int) -> str:
    if count == 1:
        return kind.value
    return "go" if kind is ChangeKind.GOES else kind.value.removesuffix("s")


def _times(row: Data, timezone: str) -> Iterator[str]:
    if row["was"] is not None:
        yield f"was {_local(row['was'], timezone)}"
        yield f"now {_local(row['due'], timezone)}"
    else:
        yield f"    {_local(row['due'], timezone)}"


def _local(value: datetime, timezone: str) -> str:
    return f"{value.astimezone(time_zone(timezone)):%a %Y-%m-%d %H:%M}"
