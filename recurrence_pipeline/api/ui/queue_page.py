"""What the page of the queue shows: lines of bars over the last day, and the events that nobody tries again. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from recurrence_pipeline.api.ui.clocks import Clock
from recurrence_pipeline.api.ui.series_page import Links
from recurrence_pipeline.api.ui.session import PATH
from recurrence_pipeline.domain.times import lasting
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.monitoring.last_day import Hour
from recurrence_pipeline.recovery.replay import Replay
from recurrence_pipeline.storage.events import QueueState

BAR, HIGH = 10, 40
"""The width and the height of the highest bar, in units of the picture."""
REASONS_SHOWN = 50
FILTER = ("status", "operation", "code", "since")
"""What dead letters are chosen by."""


class Bar(NamedTuple):
    """One hour of a figure."""

    x: int
    y: int
    height: int
    mark: str
    title: str


class Sparkline(NamedTuple):
    """A figure over the last day; `now` is what it says last."""

    name: str
    now: str
    highest: str
    width: int
    height: int
    bars: list[Bar]


def queue_values(
    queue: QueueState, hours: Sequence[Hour] | None, parts: Iterable[Mapping[str, object]], clock: Clock, now: datetime
) -> dict[str, Any]:
    """Return what the template shows of the queue; `hours` None: they could not be read in time."""
    oldest = "" if queue.oldest is None else lasting(now - queue.oldest)
    return {
        "due": queue.due,
        "oldest": oldest,
        "sparklines": [] if hours is None else _sparklines(hours, clock),
        "in_time": hours is not None,
        "parts": [
            {
                "name": f"{part['part']} {part['where']}",
                "seen": clock.time(part["seenAt"]),
                "stands_still": bool(part["standsStill"]),
            }
            for part in parts
        ],
    }


def dead_letter_values(
    reasons: Sequence[Mapping[str, Any]], events: Iterable[Mapping[str, Any]], clock: Clock, links: Links
) -> dict[str, Any]:
    """Return what the template shows of the events that were refused."""
    return {
        "reasons": reasons[:REASONS_SHOWN],
        "more_reasons": max(len(reasons) - REASONS_SHOWN, 0),
        "operations": [operation.value for operation in Operation],
        "events": [_event(event, clock, links) for event in events],
    }


def replay_values(replay: Replay) -> dict[str, Any]:
    """Return what the template shows of a replay that was only looked at."""
    codes: dict[str, int] = {}
    for (_, _, code, _), count in replay.reasons.items():
        codes[code or "not recorded"] = codes.get(code or "not recorded", 0) + count
    return {"selected": replay.selected, "more": replay.more, "codes": sorted(codes.items())}


def _sparklines(hours: Sequence[Hour], clock: Clock) -> list[Sparkline]:
    return [
        _sparkline("Depth", hours, [float(hour.depth) for hour in hours], "{:.0f} events".format, clock),
        _sparkline("Age of the oldest", hours, [hour.oldest.total_seconds() for hour in hours], _seconds, clock),
        _sparkline("Ended", hours, [float(hour.ended) for hour in hours], "{:.0f} events".format, clock),
        _sparkline("Success", hours, [hour.success for hour in hours], "{:.1f} %".format, clock),
        _sparkline("Time for 95 %", hours, [hour.p95 for hour in hours], _milliseconds, clock),
    ]


def _sparkline(
    name: str, hours: Sequence[Hour], values: Sequence[float | None], said: Callable[[float], str], clock: Clock
) -> Sparkline:
    known = [value for value in values if value is not None]
    highest = max(known, default=0.0)
    bars = []
    for place, (hour, value) in enumerate(zip(hours, values, strict=True)):
        height = 1 if value is None or not highest else max(round(HIGH * value / highest), 1)
        shown = clock.time(hour.end)
        title = f"{shown.text if shown else ''}: {'nothing ended' if value is None else said(value)}"
        bars.append(Bar(place * BAR, HIGH - height, height, "none" if value is None else "", title))
    last = "nothing ended in the last hour" if values[-1] is None else said(values[-1])
    return Sparkline(name, last, said(highest) if known else "none", BAR * len(bars), HIGH, bars)


def _seconds(value: float) -> str:
    return lasting(timedelta(seconds=value))


def _milliseconds(value: float) -> str:
    return lasting(timedelta(milliseconds=value))


def _event(event: Mapping[str, Any], clock: Clock, links: Links) -> dict[str, Any]:
    errors = event.get("errors")
    last = errors[-1] if isinstance(errors, list) and errors else {}
    return {
        "ended": clock.time(event.get("finishedAt")),
        "operation": str(event.get("operation")),
        "status": str(event.get("status")),
        "task_id": str(event.get("taskId")),
        "href": f"{PATH}/series/{event.get('taskId')}",
        "reason": f"{last.get('code')}: {last.get('message')}" if isinstance(last, Mapping) and last else "",
        "run": links.to_run(event.get("runId")),
    }
