"""One series as a person looks at it: its tasks, its events, every slot of a year told, what was deleted of it.

Reads only. How it is drawn is the business of whoever asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from recurrence_pipeline.domain.errors import InvalidInput, OriginalNotFound, Permanent, RecurrenceError
from recurrence_pipeline.domain.explain import SlotView, SlotViews
from recurrence_pipeline.domain.model import Series
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.status import SeriesStatus, status_of
from recurrence_pipeline.domain.zones import UTC, wall_clock
from recurrence_pipeline.queries.series_view import SeriesView
from recurrence_pipeline.queries.tasks import Queries
from recurrence_pipeline.worker.context import WorkerContext

FIRST_YEAR, LAST_YEAR = 1, 9998


class ToldSlot(NamedTuple):
    """A slot on a day of the wall clock, and what became of it in one line; one that was moved is on two days."""

    day: date
    slot: SlotView
    text: str


@dataclass(frozen=True, slots=True)
class SeriesStory:
    """All that is shown of a series. `slots` are those of `year`, by day, of a day the one to tell first.

    A series that cannot be worked on has none.
    `deletions` are rows of `{deletion, deletedAt, deletedBy, reason, tasks, restored}`, newest first.
    """

    view: SeriesView
    status: SeriesStatus
    now: datetime
    today: date
    year: int
    slots: Sequence[ToldSlot]
    deletions: Sequence[Mapping[str, Any]]


class SeriesStories:
    """Reads what is known of one series."""

    def __init__(self, context: WorkerContext, queries: Queries) -> None:
        self._queries = queries
        self._deleted = context.deleted
        self._timezone = context.rules.timezone
        self._clock = context.clock

    def story(self, task_id: str, *, year: int | None = None, user_id: str | None = None) -> SeriesStory:
        """Return the story of the series that a task belongs to; `year` None is this one. With `user_id`, if theirs.

        Raises:
            InvalidInput: `task_id` is not an id, or `year` none of the calendar.
            OriginalNotFound, NotAMember, WrongType: as `Queries.series`, and where it is another user's.
        """
        if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
            raise InvalidInput(f"year: {year} is not between {FIRST_YEAR} and {LAST_YEAR}")
        view = self._queries.series(task_id)
        if user_id is not None:
            _require_owner(view, task_id, user_id)
        now = self._clock()
        series = view.series
        state = self._state(series, now)
        today = wall_clock("now", now, UTC if state is None else state.zone).date()
        year = today.year if year is None else year
        slots: list[ToldSlot] = []
        status = (
            SeriesStatus.STOPPED if series.original and series.original.repeat_type == "none" else SeriesStatus.REFUSED
        )
        if state is not None:
            status = status_of(state, now)
            slots = _slots(SlotViews(series, state, now), year)
        return SeriesStory(view, status, now, today, year, slots, self._deleted.of_series(view.id))

    def _state(self, series: Series, now: datetime) -> SeriesState | None:
        if series.original is None or series.original.repeat_type == "none":
            return None
        try:
            return SeriesState(series, series.original, self._timezone, now=now)
        except RecurrenceError:
            return None  # the view has a remark that says why


def _slots(views: SlotViews, year: int) -> list[ToldSlot]:
    """Return the slots of every day of a year; none of a series that ends in an error on the way."""
    days = (date(year, 1, 1) + timedelta(days=each) for each in range(366))
    try:
        return [
            ToldSlot(day, slot, views.line(slot)) for day in days if day.year == year for slot in views.slots_on(day)
        ]
    except Permanent:
        return []


def _require_owner(view: SeriesView, task_id: str, user_id: str) -> None:
    """Make sure that all that is shown is this user's.

    Raises:
        OriginalNotFound: it is not, or nobody knows whose it was: they do not learn that it is there.
    """
    tasks = [view.original] if view.original is not None else [member.task for member in view.members]
    if not tasks or any(task is None or task.user_id != user_id for task in tasks):
        raise OriginalNotFound(f"Task {task_id} is not there")
