"""What the terminal shows of many series. Beside common.py, by the same rules."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from recurrence_pipeline.views.common import Data, plain, table_of, when

if TYPE_CHECKING:  # at run time it would bring the database along
    from recurrence_pipeline.queries.series_list import SeriesRow


def list_data(rows: "Iterable[SeriesRow]") -> list[dict[str, Any]]:
    """Return series, one a row; `nextDue` is that of the next open task that is not overdue."""
    return [
        {
            "seriesId": row.id,
            "userId": row.user_id,
            "title": row.title,
            "words": row.words,
            "state": row.status.value,
            "reason": row.reason,
            "nextDue": row.next_due,
            "overdue": row.overdue,
            "overdueSince": row.overdue_since,
            "timezone": row.timezone,
        }
        for row in rows
    ]


def list_view(rows: Sequence[Data]) -> RenderableType:
    """Draw series, one a row."""
    if not rows:
        return Text("No series.")
    table = table_of("Series", "id", "title", "rule", "state", "due (UTC)", "overdue")
    for row in rows:
        state = row["state"] + (f": {row['reason']}" if row["reason"] else "")
        overdue = str(row["overdue"] or "")
        table.add_row(
            row["seriesId"], plain(row["title"]), plain(row["words"]), plain(state), when(row["nextDue"]), overdue
        )
    return table
