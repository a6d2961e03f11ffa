"""Which series there are and how each is doing, a page at a time. Reads only.

How long a page takes depends on what it shows and looks through, not on how many series there are: where few series fit
what is asked for, a page ends after LOOKED_THROUGH windows or series, and says from where to look on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from recurrence_pipeline.domain.errors import InvalidInput, RecurrenceError
from recurrence_pipeline.domain.explain import words_of
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.status import SeriesStatus, status_of
from recurrence_pipeline.domain.times import iso
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import object_id
from recurrence_pipeline.storage.series_heads import Head
from recurrence_pipeline.worker.context import WorkerContext

PAGE = 50
LOOKED_THROUGH = 20
"""How many windows of numbers, or pages of series, are looked through for one page."""
MAX_SEARCH = 100
MAX_DIGITS, ID_LENGTH = 15, 24
BEHIND_ALL_IDS = "g"


class ListOrder(str, Enum):
    """In which order series are listed."""

    NEWEST = "newest"
    OLDEST = "oldest"
    DUE = "due"
    """Those that are due next come first: of one user's series."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which series are listed. `after` is what a page says that comes before this one."""

    user_id: str | None = None
    search: str = ""
    overdue: bool = False
    status: SeriesStatus | None = None
    order: ListOrder = ListOrder.NEWEST
    after: str | None = None

    def fits(self, row: "SeriesRow") -> bool:
        """Say whether a series is asked for, as far as one has to look at it to tell."""
        return (not self.overdue or row.overdue > 0) and self.status in {None, row.status}


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One series. `next_due` is when its next open task is due that is not overdue; `reason` why nothing is made."""

    id: str
    number: int
    user_id: str | None
    title: str
    words: str
    status: SeriesStatus
    timezone: str
    next_due: datetime | None = None
    overdue: int = 0
    overdue_since: datetime | None = None
    reason: str = ""


class SeriesListPage(NamedTuple):
    """Some series, and from where to go on: None behind the last. A page may be short although more come."""

    rows: Sequence[SeriesRow]
    next: str | None


class SeriesList:
    """Lists series."""

    def __init__(self, context: WorkerContext) -> None:
        self._tasks = context.tasks
        self._heads = context.series_heads
        self._timezone = context.rules.timezone
        self._clock = context.clock

    def page(self, query: ListQuery, size: int = PAGE) -> SeriesListPage:
        """Return up to `size` series.

        Raises:
            InvalidInput: `user_id` is no id, or what is asked for cannot be, naming the field.
        """
        if len(query.search) > MAX_SEARCH:
            raise InvalidInput(f"search: {query.search[:20]!r}... is longer than {MAX_SEARCH} characters")
        if "\0" in query.search:  # a server takes it for the end of what it compares, or refuses it
            raise InvalidInput(f"search: {query.search!r} holds a character that no text has")
        if query.user_id is not None:
            object_id(query.user_id, "userId")
        if query.order is ListOrder.DUE:
            return self._by_due(query, size)
        return self._by_number(query, size)

    def _by_number(self, query: ListQuery, size: int) -> SeriesListPage:
        rows: list[SeriesRow] = []
        left = LOOKED_THROUGH
        for heads, following in self._windows(query):
            left -= 1
            for part in chunks(heads, size):
                if len(rows) == size or left <= 0:
                    return SeriesListPage(rows, _place(part[0]))
                left -= 1
                for row in self._rows(part):
                    if len(rows) == size:
                        return SeriesListPage(rows, _place(Head(row.number, row.id)))
                    if query.fits(row):
                        rows.append(row)
            if following is not None and (len(rows) == size or left <= 0):
                return SeriesListPage(rows, str(following))
        return SeriesListPage(rows, None)

    def _windows(self, query: ListQuery) -> Iterator[tuple[Sequence[Head], int | None]]:
        """Yield heads in order, each lot with where the next one begins; None behind the last."""
        oldest_first = query.order is ListOrder.OLDEST
        begin = None if query.after is None else _head_at(query.after, oldest_first=oldest_first)

        def behind(heads: Sequence[Head]) -> list[Head]:
            return [each for each in heads if begin is None or (each >= begin if oldest_first else each <= begin)]

        if query.user_id is not None:
            yield behind(self._heads.of_user(query.user_id, oldest_first=oldest_first, title=query.search)), None
            return
        following = None if begin is None else begin.number
        while True:
            heads, following = self._heads.window(following, oldest_first=oldest_first, title=query.search)
            yield behind(heads), following
            if following is None:
                return

    def _by_due(self, query: ListQuery, size: int) -> SeriesListPage:
        if query.user_id is None:
            raise InvalidInput("order: 'due' needs a user: the series of everybody are listed by number")
        heads = self._heads.of_user(query.user_id, oldest_first=False, title=query.search)
        rows = [row for part in chunks(heads, size) for row in self._rows(part) if query.fits(row)]
        after = query.after or ""
        behind = sorted((row for row in rows if _due_key(row) > after), key=_due_key)
        return SeriesListPage(behind[:size], _due_key(behind[size - 1]) if len(behind) > size else None)

    def _rows(self, heads: Sequence[Head]) -> Iterator[SeriesRow]:
        snapshot, now = self._tasks.load([head.id for head in heads]), self._clock()
        for head in heads:
            series = snapshot.series_of(head.id)
            if series.original is not None:  # else it was deleted a moment ago
                yield self._row(head, series, series.original, now)

    def _row(self, head: Head, series: Series, original: Task, now: datetime) -> SeriesRow:
        tasks = (original, *series.occurrences)
        due = sorted(t.due_date for t in tasks if not t.is_completed and isinstance(t.due_date, datetime))
        zone = original.timezone or self._timezone
        row = SeriesRow(
            id=series.id,
            number=head.number,
            user_id=original.user_id,
            title=original.title,
            words=original.repeat_type,
            status=SeriesStatus.STOPPED,
            timezone=zone,
            next_due=next((each for each in due if each >= now), None),
            overdue=sum(each < now for each in due),
            overdue_since=next((each for each in due if each < now), None),
        )
        if original.repeat_type == "none":
            return row
        try:
            state = SeriesState(series, original, self._timezone, now=now)
            words = words_of(state.recurrence.rule, state.wall)
            return replace(row, words=words, status=status_of(state, now))
        except RecurrenceError as error:
            return replace(row, status=SeriesStatus.REFUSED, reason=str(error))


def _place(head: Head) -> str:
    return f"{head.number}~{head.id}"


def _head_at(after: str, *, oldest_first: bool) -> Head:
    """Read where a page begins: a number, or a number and an id."""
    number, _, task_id = after.partition("~")
    if not (number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS and len(task_id) <= ID_LENGTH):
        raise InvalidInput(f"after: {after[:MAX_SEARCH]!r} is not what a page says of the next one")
    return Head(int(number), task_id or ("" if oldest_first else BEHIND_ALL_IDS))


def _due_key(row: SeriesRow) -> str:
    """Return a text that sorts as the series are due: the longest overdue first, those with nothing open last."""
    if row.overdue_since is not None:
        return f"0~{iso(row.overdue_since)}~{row.id}"
    return f"1~{iso(row.next_due)}~{row.id}" if row.next_due else f"2~{row.id}"
