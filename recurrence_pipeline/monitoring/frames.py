"""The figures as pandas frames. What each figure means is told in metrics.py, which imports this only when asked.

Pure: columns of numbers in, frames out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from recurrence_pipeline.domain.times import MILLISECOND
from recurrence_pipeline.monitoring.figures import ALL, COUNTS, Columns, Period

HOUR = timedelta(hours=1)
LENGTHS: Mapping[Period, timedelta] = MappingProxyType({"hour": HOUR, "day": timedelta(days=1)})
FLOORS: Mapping[Period, str] = MappingProxyType({"hour": "h", "day": "D"})
PERCENTILES = MappingProxyType({"p50": 0.5, "p95": 0.95, "p99": 0.99})

OPERATION, PERIOD = "operation", "period"


@dataclass(frozen=True, slots=True)
class Measured:
    """The events that ended in a span of time, and its figures."""

    events: pd.DataFrame
    since: datetime
    until: datetime

    @classmethod
    def of(cls, columns: Columns, since: datetime, until: datetime) -> "Measured":
        """Make a frame of columns, without copying them one more time than pandas does."""
        events = pd.DataFrame(
            {
                OPERATION: pd.Categorical.from_codes(_numbers(columns.operation), pd.Index(columns.operations)),
                "at": pd.to_datetime(_numbers(columns.at), unit="ms", utc=True),
                **{
                    name: _numbers(getattr(columns, name))
                    for name in ("duration", "waited", "completed", "retried", "timed_out", "created")
                },
            }
        )
        return cls(events, since, until)

    def between(self, since: datetime, until: datetime) -> "Measured":
        """Return a part of the span."""
        since, until = max(since, self.since), min(until, self.until)
        at = self.events["at"]
        return Measured(self.events[(at >= since) & (at < until)], since, until)

    def in_all(self) -> pd.DataFrame:
        """Return the figures of the whole span: a row `all`, and one for each operation that has events."""
        rows = pd.concat([_figures(self.events, self._all()), _figures(self.events, self._operation())])
        rows = rows.reindex([ALL, *(name for name in rows.index if name != ALL)]).rename_axis(OPERATION)
        return _with_rate(rows, np.full(len(rows), (self.until - self.since) / HOUR))

    def by(self, period: Period) -> pd.DataFrame:
        """Return the figures of each hour or day in UTC that has events: rows by (period, operation), `all` first.

        The first and the last may be cut by the span: their rate per hour is that of the part within.
        """
        start = self.events["at"].dt.floor(FLOORS[period])
        rows = pd.concat([_figures(self.events, [start, key]) for key in (self._all(), self._operation())])
        rows = rows.rename_axis([PERIOD, OPERATION]).sort_index()
        starts = pd.DatetimeIndex(rows.index.get_level_values(PERIOD))
        within = [min(s + LENGTHS[period], self.until) - max(s, self.since) for s in starts.to_pydatetime()]
        return _with_rate(rows, np.array([length / HOUR for length in within]))

    def over_time(self, figure: str, period: Period) -> "pd.Series[float]":
        """Return one figure of all operations for each hour or day of the span, those without events too."""
        rows = self.by(period)[figure]
        rows = rows.xs(ALL, level=OPERATION) if len(rows) else pd.Series(dtype=float)
        first = pd.Timestamp(self.since).floor(FLOORS[period])
        every = pd.date_range(first, max(pd.Timestamp(self.until) - MILLISECOND, first), freq=FLOORS[period])
        return rows.reindex(every, fill_value=0.0 if figure in COUNTS else float("nan")).astype(float)

    def _all(self) -> "pd.Series[Any]":
        return pd.Series(ALL, index=self.events.index, dtype=object)

    def _operation(self) -> "pd.Series[Any]":
        return self.events[OPERATION].astype(object)


def _figures(events: pd.DataFrame, keys: Any) -> pd.DataFrame:
    """Return the figures of each group."""
    groups = events.groupby(keys, observed=True)
    duration, waited = groups["duration"], groups["waited"]
    success = groups["completed"].mean() * 100
    figures: pd.DataFrame = pd.DataFrame(
        {
            "tasksProcessed": groups.size(),
            "avgProcessingTime": duration.mean(),
            "maxProcessingTime": duration.max(),
            **{name: duration.quantile(share) for name, share in PERCENTILES.items()},
            "successRate": success,
            "errorRate": 100 - success,
            "retryRate": groups["retried"].mean() * 100,
            "timeoutRate": groups["timed_out"].mean() * 100,
            "recurringInstancesCreated": groups["created"].sum(),
            "avgQueueAge": waited.mean(),
            "maxQueueAge": waited.max(),
        }
    )
    return figures


def _with_rate(rows: pd.DataFrame, hours: "np.ndarray[Any, np.dtype[np.float64]]") -> pd.DataFrame:
    """Add the figure that depends on how long a span is; a count of nothing is 0."""
    processed = rows["tasksProcessed"].fillna(0)
    rows.insert(1, "tasksProcessedPerHour", processed / np.where(hours > 0, hours, np.nan))
    filled: pd.DataFrame = rows.fillna(dict.fromkeys(COUNTS, 0))
    return filled


def _numbers(column: Any) -> "np.ndarray[Any, Any]":
    return np.frombuffer(column, dtype=column.typecode) if len(column) else np.empty(0, dtype=column.typecode)
