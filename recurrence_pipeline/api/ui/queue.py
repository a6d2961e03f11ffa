"""The page of the queue, and the replay of dead letters from it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from recurrence_pipeline.api.threads import Threads
from recurrence_pipeline.api.ui.acting import Acting, is_id
from recurrence_pipeline.api.ui.audit_page import notice_of
from recurrence_pipeline.api.ui.queue_page import FILTER, dead_letter_values, queue_values, replay_values
from recurrence_pipeline.api.ui.series_page import Links
from recurrence_pipeline.api.ui.session import PATH
from recurrence_pipeline.api.ui.visits import Visit
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.errors import InvalidInput, RecurrenceError
from recurrence_pipeline.domain.times import instant
from recurrence_pipeline.domain.vocabulary import REFUSED, EventStatus, Operation
from recurrence_pipeline.monitoring.last_day import Hour
from recurrence_pipeline.recovery.replay import EventFilter
from recurrence_pipeline.storage.timeouts import is_timeout

LATEST = 20
MAX_SHOWN = 100


class QueuePages:
    """Shows the queue, and gives dead letters another try."""

    def __init__(self, worker: Worker, call: Threads, acting: Acting, links: Links) -> None:
        self._worker = worker
        self._call = call
        self._acting = acting
        self._links = links

    async def show(self, visit: Visit) -> Response:
        """Show how the work is going."""
        entry = visit.query.get("entry", "")
        worker, now, clock = self._worker, self._worker.context.clock(), visit.clock
        queue = await self._call(worker.queries.queue)
        parts = await self._call(worker.parts.rows)
        reasons = await self._call(worker.queries.refusals)
        events = await self._call(self._latest)
        done = await self._call(lambda: worker.context.audit.entry(entry)) if is_id(entry) else None
        replay, refused = await self._replay(visit, now)
        values = (
            queue_values(queue, await self._hours(), parts, clock, now)
            | dead_letter_values(reasons, events, clock, self._links)
            | {
                "notice": None if done is None else notice_of(done),
                "dagster": worker.settings.dagster_ui_url,
                "asked": {name: visit.query.get(name, "") for name in FILTER},
                "replay": replay,
                "refused": refused,
            }
        )
        return visit.page("queue.html.j2", values)

    def _latest(self) -> list[Mapping[str, Any]]:
        found = [e for status in REFUSED for e in self._worker.queries.events(limit=LATEST, status=status)]
        return sorted(found, key=lambda event: str(event.get("createdAt")), reverse=True)[:LATEST]

    async def _hours(self) -> list[Hour] | None:
        try:
            return await self._call(self._worker.last_day.hours)
        except RecurrenceError as error:
            if not is_timeout(error):
                raise
            return None

    async def _replay(self, visit: Visit, now: datetime) -> tuple[Mapping[str, Any] | None, str]:
        """Return what a replay would take, where that is asked; else why it cannot be asked so."""
        if not visit.query.get("look"):
            return None, ""
        try:
            chosen = _filter(visit.query, now)
        except InvalidInput as error:
            return None, str(error)
        letters = self._worker.dead_letters
        return replay_values(await self._call(lambda: letters.replay(chosen, dry_run=True))), ""

    async def replay(self, visit: Visit) -> Response:
        """Give dead letters another try."""
        chosen = _filter(visit.form, self._worker.context.clock())
        details = {name: visit.form[name][:MAX_SHOWN] for name in FILTER if visit.form.get(name)}

        def replay() -> str:
            return f"events replayed: {self._worker.dead_letters.replay(chosen, dry_run=False).replayed}"

        entry = await self._acting.noted(visit, "replay", "queue", details, replay)
        return RedirectResponse(f"{PATH}/queue?{urlencode({'entry': entry})}", 303)


def _filter(said: Mapping[str, str], now: datetime) -> EventFilter:
    """Read which dead letters are meant.

    Raises:
        InvalidInput: it cannot be read, naming the field and the value.
    """
    status, operation = said.get("status", ""), said.get("operation", "")
    if status not in {"", *(each.value for each in REFUSED)}:
        raise InvalidInput(f"status: {status[:MAX_SHOWN]!r} is not one of {', '.join(each.value for each in REFUSED)}")
    if operation not in {"", *(each.value for each in Operation)}:
        raise InvalidInput(
            f"operation: {operation[:MAX_SHOWN]!r} is not one of {', '.join(o.value for o in Operation)}"
        )
    return EventFilter(
        statuses=[EventStatus(status)] if status else REFUSED,
        operation=Operation(operation) if operation else None,
        code=said.get("code", "").strip() or None,
        since=instant("since", said.get("since", "").strip() or None, now),
    )
