"""What the list of series shows. Pure: rows in, what the template shows out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from recurrence_pipeline.api.ui.clocks import Clock, Shown
from recurrence_pipeline.domain.status import SeriesStatus
from recurrence_pipeline.domain.words import cut
from recurrence_pipeline.queries.series_list import ListOrder, ListQuery, SeriesListPage, SeriesRow

LIST = "/internal/ui"
LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One line of the list."""

    href: str
    title: str
    words: str
    status: str
    reason: str
    due: Shown | None
    overdue: int
    since: Shown | None
    user_id: str


def list_values(query: ListQuery, found: SeriesListPage, clock: Clock, *, own: bool) -> dict[str, Any]:
    """Return what the template shows; `own` is a user's own list, where nobody need be named."""
    return {
        "rows": [_shown(row, clock) for row in found.rows],
        "query": query,
        "own": own,
        "statuses": [status.value for status in SeriesStatus],
        "orders": [order.value for order in ListOrder],
        "next": None if found.next is None else _href(query, found.next, own=own),
        "first": None if query.after is None else _href(query, None, own=own),
    }


def _href(query: ListQuery, after: str | None, *, own: bool) -> str:
    said: Mapping[str, str | None] = {
        "user": None if own else query.user_id,
        "search": query.search,
        "overdue": "yes" if query.overdue else None,
        "status": query.status.value if query.status else None,
        "order": query.order.value if query.order is not ListOrder.NEWEST else None,
        "after": after,
    }
    asked = urlencode({name: value for name, value in said.items() if value})
    return f"{LIST}?{asked}" if asked else LIST


def _shown(row: SeriesRow, clock: Clock) -> ShownRow:
    return ShownRow(
        href=f"{LIST}/series/{row.id}",
        title=cut(row.title, LONGEST_TITLE) or "(no title)",
        words=row.words,
        status=row.status.value,
        reason=row.reason,
        due=clock.time(row.next_due, row.timezone),
        overdue=row.overdue,
        since=clock.time(row.overdue_since, row.timezone),
        user_id=row.user_id or "",
    )
