"""What is done from the pages, for whoever may do everything: each is noted in the audit log, before and after.

A form is answered with the way to a page that says what came of it: loading that anew does nothing again.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from recurrence_pipeline.api.auth import caller_of
from recurrence_pipeline.api.errors import error_from
from recurrence_pipeline.api.schemas import HEX
from recurrence_pipeline.api.threads import Threads
from recurrence_pipeline.api.ui.session import PATH
from recurrence_pipeline.api.ui.visits import Visit
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.errors import InvalidInput, RecurrenceError
from recurrence_pipeline.domain.members import MAX_NUMBER
from recurrence_pipeline.queries.series_actions import Act, Wanted
from recurrence_pipeline.storage.documents import object_id

FIELDS = ("task", "slot", "rule", "until")
"""What an act is asked with, beside itself."""
MAX_SHOWN = 200
IS_ID = re.compile(HEX).fullmatch


def is_id(text: str) -> bool:
    """Say whether a text is an id."""
    return IS_ID(text) is not None


def wanted_from(said: Mapping[str, str], series_id: str) -> Wanted:
    """Read what is to be done to a series, from an address or from a form.

    Raises:
        InvalidInput: it cannot be read, naming the field and the value.
    """
    name = said.get("try", "")
    if name not in {act.value for act in Act}:
        raise InvalidInput(f"try: {name[:MAX_SHOWN]!r} is not one of {', '.join(act.value for act in Act)}")
    return Wanted(
        act=Act(name),
        series_id=series_id,
        task_id=said.get("task", "").strip().lower() or series_id,
        slot=_slot(said.get("slot", "").strip()),
        rule=said.get("rule", "").strip(),
        until=_day(said.get("until", "").strip()),
    )


def _slot(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= MAX_NUMBER):
        raise InvalidInput(f"slot: {text[:MAX_SHOWN]!r} is not a whole number from 0 to {MAX_NUMBER}")
    return int(text)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput(f"until: {text[:MAX_SHOWN]!r} is not a date such as 2027-01-31") from None


class Acting:
    """Handles the forms that write."""

    def __init__(self, worker: Worker, call: Threads) -> None:
        self._worker = worker
        self._call = call

    async def do(self, visit: Visit) -> Response:
        """Do to a series what was looked at."""
        series_id = str(object_id(visit.request.path_params["task_id"]))
        wanted = wanted_from(visit.form, series_id)
        details = {name: visit.form[name][:MAX_SHOWN] for name in FIELDS if visit.form.get(name)}
        entry = await self.noted(
            visit, wanted.act.value, series_id, details, lambda: self._worker.series_actions.do(wanted)
        )
        return RedirectResponse(f"{PATH}/series/{series_id}?{urlencode({'entry': entry})}", 303)

    async def look_at_deletion(self, visit: Visit) -> Response:
        """Show what it would come to if a deletion were taken back."""
        deletion = visit.request.path_params["deletion"]
        found = await self._call(lambda: self._worker.deletions.restore(deletion, dry_run=True))
        values = {"deletion": found, "at": visit.clock.time(found.deleted_at), "series": visit.query.get("series", "")}
        return visit.page("deletion.html.j2", values)

    async def restore(self, visit: Visit) -> Response:
        """Put back what a deletion took."""
        deletion = str(object_id(visit.request.path_params["deletion"], "deletion"))

        def restore() -> str:
            done = self._worker.deletions.restore(deletion, dry_run=False)
            return f"tasks put back: {done.restored} of {done.tasks}"

        entry = await self.noted(visit, "restore", deletion, {}, restore)
        series = visit.form.get("series", "")
        where = f"{PATH}/series/{series}?{urlencode({'entry': entry})}" if is_id(series) else f"{PATH}/audit"
        return RedirectResponse(where, 303)

    async def noted(
        self, visit: Visit, act: str, subject: str, details: Mapping[str, str], function: Callable[[], str]
    ) -> str:
        """Do something, and return the entry of the audit log that says what came of it, be it a refusal."""
        audit, clock = self._worker.context.audit, self._worker.context.clock
        who = caller_of(visit.request).name
        entry = await self._call(lambda: audit.begin(who=who, act=act, subject=subject, details=details, now=clock()))
        try:
            result, ok = await self._call(function), True
        except RecurrenceError as error:
            result, ok = str(error_from(error).body["message"]), False
        await self._call(lambda: audit.end(entry, result, clock(), ok=ok))
        return entry
