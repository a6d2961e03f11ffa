"""What the terminal shows of the metrics. Beside common.py, by the same rules; pictures are reporting/'s."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recurrence_pipeline.domain.times import lasting
from recurrence_pipeline.monitoring.report import UNITS
from recurrence_pipeline.views.common import Data, when

if TYPE_CHECKING:  # at run time it would bring pandas along
    import pandas as pd

    from recurrence_pipeline.monitoring.figures import Period
    from recurrence_pipeline.monitoring.frames import Measured
    from recurrence_pipeline.storage.events import QueueState

SHOWN_OVER_TIME = ("tasksProcessed", "avgProcessingTime", "p95", "errorRate", "avgQueueAge")
BY_HOUR_UP_TO = timedelta(days=3)
"""Longer spans are told by day, unless hours are asked for."""

BARS = "▁▂▃▄▅▆▇█"
WIDEST = 40
"""Columns of a line of bars, so that the table fits 80: a longer span shows the largest value of every few periods."""


def metrics_data(measured: "Measured", period: "Period", queue: "QueueState", now: datetime) -> dict[str, Any]:
    """Return the figures of a span: in all, and `overTime` of each hour or day that has events.

    Times are in ms, rates in percent; what has no value is null.
    """
    return {
        "since": measured.since,
        "until": now,
        "by": period,
        "queue": {
            "due": queue.due,
            "oldestDueAgeMs": int((now - queue.oldest).total_seconds() * 1000) if queue.oldest else 0,
        },
        "inAll": {operation: _figures(row) for operation, row in _rows(measured.in_all())},
        "overTime": [
            {"start": start.to_pydatetime(), "operation": operation} | _figures(row)
            for (start, operation), row in _rows(measured.by(period))
        ],
        "bars": {name: [_value(value) for value in measured.over_time(name, period)] for name in SHOWN_OVER_TIME},
    }


def metrics_view(data: Data) -> RenderableType:
    """Draw the figures of a span, and lines of bars over time."""
    queue = data["queue"]
    lines = [
        Text(f"Events that ended from {when(data['since'])} to {when(data['until'])} UTC", "bold"),
        Text(
            f"Due now: {queue['due']}"
            + (f", the oldest for {_duration(queue['oldestDueAgeMs'])}" if queue["due"] else "")
        ),
    ]
    table = Table("figure", *data["inAll"])
    for column in table.columns[1:]:
        column.justify = "right"
    for name in next(iter(data["inAll"].values())):
        table.add_row(name, *(_shown(name, row[name]) for row in data["inAll"].values()))
    return Group(*lines, table, _bars(data))


def _bars(data: Data) -> Table:
    table = Table(title=f"By {data['by']}, up to now", title_justify="left", title_style="bold")
    for column in ("figure", "over time", "highest"):
        table.add_column(column, no_wrap=True)
    for name, values in data["bars"].items():
        known = [value for value in values if value is not None]
        table.add_row(name, sparkline(values), _shown(name, max(known, default=None)))
    return table


def sparkline(values: Sequence[float | None], width: int = WIDEST) -> str:
    """Return a character for each value, or for the highest of each few where there are more than `width`.

    The lowest bar stands for 0, the highest for the highest value; where there is no value, there is a blank.
    """
    step = -(-len(values) // width) or 1
    ends = range(len(values), 0, -step)  # whole groups up to now; what is left over is the oldest
    groups = [[v for v in values[max(end - step, 0) : end] if v is not None] for end in reversed(ends)]
    top = max((max(group) for group in groups if group), default=0) or 1
    return "".join(BARS[round(max(group) / top * (len(BARS) - 1))] if group else " " for group in groups)


def _rows(frame: "pd.DataFrame") -> Iterable[tuple[Any, Mapping[Any, float]]]:
    """Return the rows with their keys, which are pairs where the frame has two levels."""
    return frame.to_dict("index").items()


def _figures(row: Mapping[Any, float]) -> dict[str, float | int | None]:
    return {str(name): _value(float(value)) for name, value in row.items()}


def _value(value: float) -> float | int | None:
    """Return a number as people would write it: whole where it is whole, else with three decimals."""
    if isnan(value):
        return None
    return int(value) if value.is_integer() else round(value, 3)


def _shown(figure: str, value: float | None) -> str:
    """Return a figure as people read it."""
    if value is None:
        return "-"
    match UNITS.get(figure):
        case "ms":
            return _duration(value)
        case "%":
            return f"{value:.3g} %"
        case _:
            return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _duration(milliseconds: float) -> str:
    return lasting(timedelta(milliseconds=milliseconds))
