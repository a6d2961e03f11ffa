"""Answers to "what became of my task?", "when is it next?" and "what is in the queue?", for everybody or for one user.

Reads only, but for the retry of a refused event that its own user asks for.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple

from recurrence_pipeline.domain.errors import (
    InvalidRecurrence,
    NotReplayable,
    OriginalNotFound,
    Permanent,
    PermissionDenied,
)
from recurrence_pipeline.domain.explain import DayCode, Explanation, SlotView, SlotViews
from recurrence_pipeline.domain.members import require_member
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.queries.series_view import SeriesView, view_of
from recurrence_pipeline.storage.contract_values import as_contract
from recurrence_pipeline.storage.documents import object_id
from recurrence_pipeline.storage.events import QueueState
from recurrence_pipeline.worker.context import WorkerContext

Event = Mapping[str, Any]
"""An event as the application sees it: the names and types of its document."""

MAX_PREVIEW = 1000
EVENTS_OF = 500
"""So many tasks of a series, the last ones, are asked for their events: a page of it costs the same however long it is.
Completed events are kept for weeks, a series goes on for years."""
COUNTED_AT_MOST = 10_000
"""How far a look at the queue counts."""


class Preview(NamedTuple):
    """Slots of a series, and its rule: as RFC 5545 writes it, and in words."""

    rule: str
    words: str
    slots: Sequence[SlotView]


class Queries:
    """Looks at tasks, series and events, one or a page at a time."""

    def __init__(self, context: WorkerContext) -> None:
        self._tasks = context.tasks
        self._events = context.events
        self._log = context.event_queries
        self._activities = context.activities
        self._deleted = context.deleted
        self._timezone = context.rules.timezone
        self._lease = context.rules.lease
        self._clock = context.clock

    # One task, one series

    def preview(
        self, task_id: str, count: int = 10, *, since: datetime | None = None, from_start: bool = False
    ) -> Preview:
        """Return the next `count` slots of the series of a task: those behind `since`, or now, or from slot 0 on.

        Where the series ends, there are fewer.

        Raises:
            InvalidInput: `task_id` is not an id.
            OriginalNotFound: there is no such task.
            NotAMember, WrongType: it hangs on a series, and is none of it.
            InvalidRecurrence: it does not recur, or `count` is not between 1 and 1000.
        """
        if not 1 <= count <= MAX_PREVIEW:
            raise InvalidRecurrence(f"count: {count} is not between 1 and {MAX_PREVIEW}", field="count", value=count)
        views = self._slot_views(*self._series_of(task_id))
        slots = islice(views.since(None if from_start else since or self._clock()), count)
        return Preview(views.rule, views.words, list(slots))

    def explain(self, task_id: str, day: date) -> Explanation:
        """Say why there is, or is not, a task of the series on a day of its wall clock.

        Raises:
            InvalidInput, OriginalNotFound, NotAMember, WrongType, InvalidRecurrence: as `preview`.
        """
        series, original = self._series_of(task_id)
        try:
            return self._slot_views(series, original).on(day)
        except Permanent as error:
            return Explanation(day, DayCode.REFUSED, f"Nothing is made: {error}")

    def _slot_views(self, series: Series, original: Task) -> SlotViews:
        return SlotViews(series, SeriesState(series, original, self._timezone, now=self._clock()), self._clock())

    def _series_of(self, task_id: str) -> tuple[Series, Task]:
        """Return the series of a task that recurs, and its original."""
        snapshot = self._tasks.load([str(object_id(task_id))])
        task, series = snapshot.tasks.get(task_id), snapshot.series_of(task_id)
        original = series.original
        if task is None or original is None:
            raise OriginalNotFound(f"Task {task_id}, or the original of its series, is not there")
        require_member(task, series)
        if original.repeat_type == "none":
            raise InvalidRecurrence(f"Task {task_id} does not recur", field="repeatType", value="none")
        return series, original

    def series(self, task_id: str) -> SeriesView:
        """Return the series that a task belongs to, or what is left of it.

        Raises:
            InvalidInput: `task_id` is not an id.
            OriginalNotFound: there is no such task, nothing hangs on it and no event names it.
            NotAMember, WrongType: it hangs on a series, and is none of it.
        """
        snapshot = self._tasks.load([str(object_id(task_id))])
        series = snapshot.series_of(task_id)
        if (task := snapshot.tasks.get(task_id)) is not None:
            require_member(task, series)
        last = sorted(series.occurrences, key=lambda task: (task.occurrence_number or 0, task.id))[-EVENTS_OF:]
        events = self._log.of_tasks({task_id, series.id, *(task.id for task in last)})
        original = series.original or snapshot.tasks.get(series.id)
        if original is None and not series.occurrences and not events:
            raise OriginalNotFound(f"Task {task_id} is not there, nothing hangs on it, and no event names it")
        told = tuple(as_contract(event) for event in events)
        return view_of(series, original, told, timezone=self._timezone, now=self._clock())

    # Events

    def events(
        self, *, limit: int, status: EventStatus | None = None, task_id: str | None = None, user_id: str | None = None
    ) -> list[Event]:
        """Return up to `limit` events, newest first, of one task or of all; with `user_id`, of that user's tasks.

        Raises:
            InvalidInput: `task_id` is not an id.
            PermissionDenied: the task is another user's.
        """
        if task_id is not None:
            object_id(task_id)
            gone = user_id is not None and self.require_owner(task_id, user_id) is None
            found = self._log.newest(limit=limit, status=status, task_ids=[task_id])
            return [as_contract(e) for e in found if not gone or str(e.get("userId")) == user_id]
        tasks = None if user_id is None else self._log.owned_by(user_id)
        return [as_contract(e) for e in self._log.newest(limit=limit, status=status, task_ids=tasks)]

    def require_owner(self, task_id: str, user_id: str) -> str | None:
        """Return the owner of a task, who is this user; None where the task is gone.

        Raises:
            PermissionDenied: the task is another user's.
        """
        owner = self._log.owner(task_id)
        if owner not in {None, user_id}:
            raise PermissionDenied("The task belongs to another user")
        return owner

    def is_user(self, user_id: str) -> bool:
        """Say whether the application has this user."""
        return self._log.is_user(user_id)

    def replay(self, event_id: str) -> tuple[Event, bool] | None:
        """Make a refused event pending again; return it, and whether it was refused. None: there is no such event.

        One that is pending already is left as it is, so that asking twice does no harm.

        Raises:
            NotReplayable: it is being worked on, or is completed.
        """
        object_id(event_id, "eventId")
        replayed = self._log.replay([event_id], self._clock()) == 1
        event = self._events.get(event_id)
        if event is None:
            return None
        if not replayed and event.get("status") != EventStatus.PENDING.value:
            raise NotReplayable(f"The event is {event.get('status')}: only failed and rejected events can be replayed")
        return as_contract(event), replayed

    # The queue

    def queue(self, *, at_most: int = COUNTED_AT_MOST) -> QueueState:
        """Say how many events are due and since when."""
        return self._events.queue(self._clock(), lease=self._lease, at_most=at_most)

    def row_counts(self) -> dict[str, int]:
        """Return how many documents each collection holds that the worker writes for people, by its name; roughly."""
        return {
            "tasks": self._tasks.count_roughly(),
            "useractivities": self._activities.count(),
            "deleted_tasks": self._deleted.count_roughly(),
            "useractivities_archive": self._activities.count_archived(),
        }

    def runs_at_work(self) -> set[str]:
        """Return the ids of the Dagster runs that hold an event under a lease that has not run out."""
        return self._events.runs_at_work(self._clock(), lease=self._lease)

    def unfinished(self) -> int:
        """Return how many events are pending or being worked on."""
        return self._events.unfinished()

    def event_counts(self) -> dict[tuple[str, str], int]:
        """Return the number of events by (operation, status)."""
        return self._log.count_by_operation_and_status()

    def refusals(self) -> list[dict[str, Any]]:
        """Return why events were rejected or failed: rows of `{operation, status, reason, count}`."""
        return self._log.refused()

    def totals(self) -> dict[str, int]:
        """Return what all events kept came to: occurrences `created` and `deleted`, and all `activities` there are."""
        return self._log.totals() | {"activities": self._activities.count()}
