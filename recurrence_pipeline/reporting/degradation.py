"""Has the work got worse? Pure: two rows of figures and a threshold in, what got worse out.

The names and units of figures are those of worker/metrics.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from types import MappingProxyType

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
