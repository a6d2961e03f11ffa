"""How a series is doing, in one word. Pure; what becomes of its single slots is explain.py's."""

from datetime import datetime
from enum import Enum

from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.zones import wall_clock


class SeriesStatus(str, Enum):
    """What an operator looks for in a list."""

    RUNNING = "running"
    BEHIND = "behind"
    """Slots are due to be made: its next event makes them."""
    PAUSED = "paused"
    ENDED = "ended"
    """Its rule has no more slots, and nothing of it is open."""
    STOPPED = "stopped"
    """Its original does not recur any more."""
    REFUSED = "refused"
    """Nothing is made: it cannot be worked on."""


def status_of(state: SeriesState, now: datetime) -> SeriesStatus:
    """Return the status of a series that can be worked on."""
    if state.is_stopped or state.original.repeat_type == "none":
        return SeriesStatus.STOPPED
    if state.is_behind:
        return SeriesStatus.BEHIND
    if state.recurrence.pause_at(wall_clock("now", now, state.zone)) is not None:
        return SeriesStatus.PAUSED
    if state.reach().ends and not state.open and state.original.is_completed:
        return SeriesStatus.ENDED
    return SeriesStatus.RUNNING
