"""The performance report: a span of time compared with the one before, as Markdown with pictures.

What the figures mean is metrics.py's, how lines are drawn plots.py's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from math import isnan
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.domain.times import MILLISECOND, lasting
from recurrence_pipeline.monitoring.figures import ALL, COUNTS, MILLISECONDS, PERCENT, Period
from recurrence_pipeline.monitoring.metrics import Metrics

if TYPE_CHECKING:  # at run time pandas comes with the first figures, and not with every command
    from recurrence_pipeline.monitoring.frames import Measured

WEEK = timedelta(days=7)
COMPARED_WITH = 3
"""So many spans of the same length before: completed events are kept for 30 days, a week and three more."""

BY_HOUR_UP_TO = timedelta(days=10)
"""Longer spans are drawn by day."""

UNITS: Mapping[str, str] = MappingProxyType(dict.fromkeys(MILLISECONDS, "ms") | dict.fromkeys(PERCENT, "%"))

DAILY = ("tasksProcessed", "recurringInstancesCreated", "avgProcessingTime", "p95", "successRate", "avgQueueAge")
"""What each day is told of."""

DRAWN: Mapping[str, tuple[str, str, tuple[str, ...]]] = MappingProxyType(
    {
        "throughput.png": ("Events that ended, occurrences made", "count", (COUNTS[0], COUNTS[2])),
        "processing_time.png": ("From the lease to the outcome", "ms", ("avgProcessingTime", "p50", "p95")),
        "rates.png": ("Share of the events", "%", ("errorRate", "retryRate", "timeoutRate")),
        "queue_age.png": ("From the creation to the lease", "ms", ("avgQueueAge", "maxQueueAge")),
    }
)
"""The pictures: title, unit, and the figures in it."""

OVER_TIME = "## Over time"
"""The heading above the pictures."""

READ_IT_LIKE_THIS = (
    "Times are those from the lease under which an event ended to its end; the events of a batch are leased together, "
    "so each has the time of its batch. Queue age is the time from an event's creation to that lease. Success is an "
    "event that ended `completed`; `rejected` and `failed` ones are errors, most often of the data. All times are UTC."
)

Figures = Mapping[str, float]
"""Figures by name; one that has no value is missing or NaN."""

FEWEST_EVENTS = 20
"""With fewer events on either side there is nothing to compare: one slow event would be a trend."""

LEAST_RISE: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "avgProcessingTime": (100.0, "ms"),
        "p95": (100.0, "ms"),
        "errorRate": (1.0, "%"),
        "timeoutRate": (1.0, "%"),
    }
)
"""What is compared, and by how much (ms, percentage points) it has to rise before a person would care: from 2 ms to
4 ms is twice as slow, and nothing. A success rate falls as the error rate rises."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """A figure that got worse: what it was, what it is, in `unit`."""

    figure: str
    before: float
    recent: float
    unit: str

    def as_json(self) -> dict[str, str | float]:
        """Return it as plain data."""
        return {"figure": self.figure, "before": self.before, "recent": self.recent, "unit": self.unit}

    def __str__(self) -> str:
        change = f", {self.recent / self.before - 1:+.0%}" if self.before else ""
        return f"{self.figure} rose from {self.before:.4g} {self.unit} to {self.recent:.4g} {self.unit}{change}"


@dataclass(frozen=True)
class Report:
    """Markdown that names its pictures by their file names, the pictures, and what got worse."""

    markdown: str
    worse: Sequence[Degradation]
    recent: "Measured" = field(repr=False)

    @cached_property
    def plots(self) -> Mapping[str, bytes]:
        """The pictures (PNG) by their file names, drawn when they are first asked for.

        Raises:
            ConfigurationError: what draws them is not installed.
        """
        return _plots(self.recent)

    def without_pictures(self) -> str:
        """Return the Markdown for where no picture can be shown."""
        shown = [part for part in self.markdown.split("\n\n") if not part.startswith("![") and part != OVER_TIME]
        return "\n\n".join(shown)

    def write(self, folder: Path) -> list[Path]:
        """Write `report.md` and the pictures into a folder, which is made where it is missing, and return their paths.

        Raises:
            ConfigurationError: what draws the pictures is not installed; nothing was written.
            OSError: it cannot be written.
        """
        files = {"report.md": self.markdown.encode()} | dict(self.plots)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return [folder / name for name in files]


def performance_report(metrics: Metrics, now: datetime, *, threshold: float, window: timedelta = WEEK) -> Report:
    """Report on the `window` before `now`, compared with the three windows before that.

    `threshold` is by how many percent a figure must have become worse to be called so.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    until = now + MILLISECOND
    measured = metrics.measure(now - window * (1 + COMPARED_WITH), until)
    recent = measured.between(now - window, until)
    before = measured.between(measured.since, recent.since)
    worse = degradation(_row(recent), _row(before), threshold)
    return Report(_markdown(recent, before, worse, threshold), worse, recent)


def _row(measured: "Measured") -> dict[str, float]:
    return {str(name): float(value) for name, value in measured.in_all().to_dict("index")[ALL].items()}


def _markdown(recent: "Measured", before: "Measured", worse: Sequence[Degradation], threshold: float) -> str:
    row = _row(recent)
    summary = {"Events that ended": "tasksProcessed", "succeeded": "successRate", "occurrences made": COUNTS[2]}
    parts = [
        f"# How the work went, {_day(recent.since)} to {_day(recent.until)}",
        "; ".join(f"{label}: {_shown(row[name], name)}" for label, name in summary.items()) + ".",
        f"## Compared with {_day(before.since)} to {_day(before.until)}",
        _comparison(_row(before), row, worse, threshold),
        "## Figures",
        _figures(recent, before),
        OVER_TIME,
        *(f"![{title}]({name})" for name, (title, _, _) in DRAWN.items()),
        "## Day by day",
        _days(recent),
        READ_IT_LIKE_THIS,
    ]
    return "\n\n".join(parts) + "\n"


def _comparison(
    before: Mapping[str, float], recent: Mapping[str, float], worse: Sequence[Degradation], threshold: float
) -> str:
    if min(before["tasksProcessed"], recent["tasksProcessed"]) < FEWEST_EVENTS:
        return f"Too few events to compare: fewer than {FEWEST_EVENTS} in this span, or in the time before it."
    if not worse:
        return f"Nothing is more than {threshold:g} % worse than it was."
    return "\n".join(f"* **{each.figure}**{str(each).removeprefix(each.figure)}" for each in worse)


def _figures(recent: "Measured", before: "Measured") -> str:
    now, then = recent.in_all(), _row(before)
    header = ["", *map(str, now.index), "all, before"]
    rows = [
        [f"`{name}`", *(_shown(float(value), str(name)) for value in now[name]), _shown(then[str(name)], str(name))]
        for name in now.columns
    ]
    return _table(header, rows)


def _days(measured: "Measured") -> str:
    days = {name: measured.over_time(name, "day") for name in DAILY}
    rows = [
        [f"{day:%a %Y-%m-%d}", *(_shown(float(days[name].loc[day]), name) for name in DAILY)]
        for day in days[DAILY[0]].index
    ]
    return _table(["day", *(f"`{name}`" for name in DAILY)], rows)


def _plots(measured: "Measured") -> dict[str, bytes]:
    try:
        from recurrence_pipeline.monitoring.plots import line_plot  # noqa: PLC0415 - matplotlib takes a second
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "the pictures of a report need matplotlib, which is not installed: "
            "pip install 'recurrence-pipeline[report]', or have the report printed, which has none"
        ) from error
    period: Period = "hour" if measured.until - measured.since <= BY_HOUR_UP_TO else "day"
    return {
        name: line_plot(
            f"{title}, by {period}", unit, {figure: measured.over_time(figure, period) for figure in figures}
        )
        for name, (title, unit, figures) in DRAWN.items()
    }


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: float, figure: str) -> str:
    """Return a figure with its unit; a dash where it has no value."""
    if isnan(value):
        return "-"
    unit = UNITS.get(figure)
    if unit is not None:
        return lasting(timedelta(milliseconds=value)) if unit == "ms" else f"{value:.4g} %"
    return f"{value:,.1f}" if figure == "tasksProcessedPerHour" else f"{value:,.0f}"


def _day(when: datetime) -> str:
    return f"{when:%a %Y-%m-%d %H:%M}"


def degradation(recent: Figures, before: Figures, threshold: float) -> list[Degradation]:
    """Return which figures of all operations are more than `threshold` percent above what they were before."""
    if min(figures.get("tasksProcessed", 0) for figures in (recent, before)) < FEWEST_EVENTS:
        return []
    return list(_risen(recent, before, 1 + threshold / 100))


def _risen(recent: Figures, before: Figures, factor: float) -> Iterator[Degradation]:
    for figure, (least, unit) in LEAST_RISE.items():
        was, now = before.get(figure, float("nan")), recent.get(figure, float("nan"))
        if isnan(was) or isnan(now):
            continue
        if now > was * factor and now - was >= least:
            yield Degradation(figure, was, now, unit)
