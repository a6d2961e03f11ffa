"""Every series, or a user's, as calendar programs want them. Reads only, page by page; see views/icalendar.py."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog

from recurrence_pipeline.domain.errors import Permanent
from recurrence_pipeline.domain.recurrence_set import RecurrenceSet, recurrence_set
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.storage.documents import object_id
from recurrence_pipeline.storage.joined_tasks import ORIGINAL
from recurrence_pipeline.worker.context import WorkerContext

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CalendarCounts:
    """How many series were told so far; of those left out, which cannot be worked on, how many by code of the error."""

    told: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


class Calendar:
    """Reads series as recurrence sets."""

    def __init__(self, context: WorkerContext) -> None:
        self._tasks = context.tasks
        self._pages = context.series_pages
        self._timezone = context.rules.timezone

    def pages(
        self, user_id: str | None = None, *, counts: CalendarCounts | None = None
    ) -> Iterator[list[RecurrenceSet]]:
        """Yield the series of a user, or of everybody, a page at a time; what is left out is counted, or logged.

        Raises:
            InvalidInput: `user_id` is not an id.
        """
        if user_id is not None:
            object_id(user_id, "userId")
        return self._read(user_id, counts)

    def _read(self, user_id: str | None, given: CalendarCounts | None) -> Iterator[list[RecurrenceSet]]:
        counts = CalendarCounts() if given is None else given
        for ids in self._pages.pages(user_id):
            yield list(self._told(ids, counts))
        if given is None and counts.left_out:
            log.warning("series left out of a calendar", codes=dict(counts.left_out))

    def _told(self, ids: list[str], counts: CalendarCounts) -> Iterator[RecurrenceSet]:
        snapshot = self._tasks.load(ids, ORIGINAL)
        for each in ids:
            series = snapshot.series_of(each)
            if series.original is None or series.original.repeat_type == "none":
                continue  # deleted, or changed, a moment ago
            try:
                found = recurrence_set(series, SeriesState(series, series.original, self._timezone))
            except Permanent as error:
                counts.left_out[error.code] += 1
            else:
                counts.told += 1
                yield found
