"""The paths: who may ask, what each can answer, and the calls of the worker behind them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from recurrence_pipeline.api import openapi
from recurrence_pipeline.api.auth import AuthDependencies, Caller, caller_of
from recurrence_pipeline.api.errors import CutOff, error_from, failure, forbidden, invalid_recurrence, no_such_path
from recurrence_pipeline.api.group_commit import GroupCommit
from recurrence_pipeline.api.request_schemas import (
    CalendarQuery,
    EventsQuery,
    ExplainQuery,
    LowerCaseId,
    PreviewQuery,
    RecurrenceRequest,
    StatsQuery,
    ValidationRequest,
)
from recurrence_pipeline.api.responses import (
    CalendarResponse,
    changed,
    cleaned,
    event_of,
    json_response,
    processed,
    unhealthy,
)
from recurrence_pipeline.api.routing import Route
from recurrence_pipeline.api.schemas import (
    CleanupResponse,
    EventsResponse,
    HealthResponse,
    RecurrenceResponse,
    ReplayResponse,
    StatsResponse,
    ValidationResponse,
)
from recurrence_pipeline.api.series_requests import ReopenRequest, SkipRequest, UpdateRequest
from recurrence_pipeline.api.series_schemas import ChangeResponse, ExplanationResponse, PreviewResponse
from recurrence_pipeline.api.threads import Threads
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.difference import Difference
from recurrence_pipeline.domain.errors import InvalidRecurrence, RecurrenceError
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.views.common import explanation_data, slots_data
from recurrence_pipeline.worker.service import ChangeRequest, OperationRequest

SIGN_OF_LIFE = timedelta(seconds=1.2)
"""How long the database may take for one: health answers within 2 s."""
FOR_THE_ANSWER = timedelta(seconds=0.75)
"""What is left of WORKER_TIMEOUT for the answer; the driver looks only each 0.5 s whether its time is over."""
COUNTING = timedelta(seconds=2)
"""How long health waits for figures: whoever asks for it is answered within 4 s, as deploy/health.py wants it."""
HEALTH_CHECKS = 2
"""Checks of health at a time. They have turns of their own: what waits for the database must not hold them up."""
UPDATE, REOPEN, SKIP = UpdateRequest(), ReopenRequest(), SkipRequest()
"""What a request without a body says."""


class Handlers:
    """The worker behind HTTP, in threads and with time limits."""

    def __init__(self, worker: Worker) -> None:
        timeout = worker.settings.worker_timeout
        patience = max(timeout - FOR_THE_ANSWER, timeout / 2)
        self._worker = worker
        self._call = Threads(at_a_time=max(worker.settings.mongodb_pool_size - 1, 1), patience=patience)
        self._check = Threads(at_a_time=HEALTH_CHECKS, patience=patience)
        self._sign_of_life = min(SIGN_OF_LIFE, patience)
        self._process = GroupCommit(self._call, partial(worker.process_requests, source=Source.API))
        self._process_changes = GroupCommit(self._call, partial(worker.process_changes, source=Source.API))

    async def is_user(self, user_id: str) -> bool:
        """Say whether the application has this user."""
        return await self._call(lambda: self._worker.queries.is_user(user_id))

    async def process_recurrence(self, body: RecurrenceRequest) -> RecurrenceResponse:
        """Process an operation on a task at once. Asked again, it answers the same and changes nothing."""
        operation = body.operation.value
        try:
            return processed(await self._process(OperationRequest(body.task_id, operation, body.user_id or None)))
        except RecurrenceError as error:
            raise error_from(error, operation=operation) from error

    async def update_series(
        self, task_id: Annotated[LowerCaseId, Path()], body: UpdateRequest = UPDATE
    ) -> ChangeResponse:
        """Bring a series in line with its edited original: what is open, ahead and touched by nobody."""
        return await self._change(Operation.UPDATE, task_id, body, slot=body.from_slot)

    async def reopen_task(
        self, task_id: Annotated[LowerCaseId, Path()], body: ReopenRequest = REOPEN
    ) -> ChangeResponse:
        """Take back what a completion made, for a task that is open again."""
        return await self._change(Operation.REOPEN, task_id, body)

    async def skip_slot(self, task_id: Annotated[LowerCaseId, Path()], body: SkipRequest = SKIP) -> ChangeResponse:
        """Leave a slot of a series out, or have it wanted again."""
        return await self._change(Operation.SKIP, task_id, body, slot=body.slot, undo=body.undo)

    async def _change(
        self, operation: Operation, task_id: str, body: ReopenRequest, *, slot: int | None = None, undo: bool = False
    ) -> ChangeResponse:
        async def change() -> Difference:
            if body.dry_run:
                return await self._call(lambda: self._worker.change(task_id, operation.value, slot=slot, undo=undo))
            return await self._process_changes(ChangeRequest(task_id, operation.value, slot, undo))

        try:
            return changed(operation, task_id, await change())
        except RecurrenceError as error:
            raise error_from(error, operation=operation.value) from error

    async def clean_up_orphans(self) -> CleanupResponse:
        """Delete occurrences whose original is gone. So many that they look like a mistake are refused with 409."""
        return cleaned(await self._call(self._worker.maintenance.clean_orphans), utc_now())

    async def validate_recurrence(self, body: ValidationRequest) -> ValidationResponse:
        """Say whether a task may recur; its due date is compared with now."""
        try:
            self._worker.validate_recurrence(body.task)
        except InvalidRecurrence as error:
            raise invalid_recurrence(str(error)) from error
        return {"success": True, "data": {"valid": True, "task": body.task}}

    async def get_health(self) -> HealthResponse:
        """Say whether the worker can work, within 2 s where the database is away. Figures that take longer are null."""
        health, patience = self._worker.health, self._sign_of_life
        data: Any = await self._check(lambda: health.status(patience=patience, counting=COUNTING))
        if data["status"] != "healthy":
            raise unhealthy(data)
        return {"success": True, "data": data}

    async def get_stats(self, request: Request, query: Annotated[StatsQuery, Query()]) -> StatsResponse:
        """Count tasks by kind: a user's, or everybody's."""
        caller = caller_of(request)
        whose = _whose(query.user_id, caller)
        data: Any = await self._call(lambda: self._worker.health.detailed(whose))
        if caller.user_id is not None:
            data["workerStatus"].pop("queue", None)  # everybody's events are counted there
        return {"success": True, "data": data}

    async def get_calendar(self, request: Request, query: Annotated[CalendarQuery, Query()]) -> CalendarResponse:
        """Write recurring tasks as an iCalendar file, for calendar programs: a user's, or everybody's."""
        from recurrence_pipeline.views.icalendar import calendar_text

        pieces = calendar_text(self._worker.calendar.pages(_whose(query.user_id, caller_of(request))))
        first = await self._call(lambda: next(pieces, None))  # what goes wrong before it is still an answer of its own

        async def text() -> AsyncIterator[str]:
            piece = first
            while piece is not None:
                yield piece
                try:
                    piece = await self._call(lambda: next(pieces, None))
                except RecurrenceError as error:
                    raise CutOff from error

        return CalendarResponse(text(), headers={"Content-Disposition": 'inline; filename="recurring-tasks.ics"'})

    async def preview_slots(self, request: Request, query: Annotated[PreviewQuery, Query()]) -> PreviewResponse:
        """Show the next slots of a task, and what is odd about each."""
        caller = caller_of(request)

        def preview() -> Any:
            if caller.user_id is not None:
                self._worker.queries.require_owner(query.task_id, caller.user_id)
            found = self._worker.queries.preview(query.task_id, query.count, since=query.since, from_start=query.all)
            said = {"taskId": query.task_id, "rule": found.rule, "words": found.words}
            return said | {"slots": slots_data(found.slots)}

        return {"success": True, "data": await self._call(preview)}

    async def explain_day(self, request: Request, query: Annotated[ExplainQuery, Query()]) -> ExplanationResponse:
        """Say why there is, or is not, a task of a series on a day."""
        caller = caller_of(request)

        def explanation() -> Any:
            if caller.user_id is not None:
                self._worker.queries.require_owner(query.task_id, caller.user_id)
            return explanation_data(query.task_id, self._worker.queries.explain(query.task_id, query.date))

        return {"success": True, "data": await self._call(explanation)}

    async def list_events(self, request: Request, query: Annotated[EventsQuery, Query()]) -> EventsResponse:
        """Say what happened, newest first: to one task, or to all."""
        user_id = caller_of(request).user_id
        found = await self._call(
            lambda: self._worker.queries.events(
                limit=query.limit, status=query.status, task_id=query.task_id, user_id=user_id
            )
        )
        return {"success": True, "data": {"events": [event_of(event) for event in found]}}

    async def replay_event(self, event_id: Annotated[LowerCaseId, Path()]) -> ReplayResponse:
        """Give a failed or rejected event another try; one that is being worked on or is completed answers 409."""
        found = await self._call(lambda: self._worker.queries.replay(event_id))
        if found is None:
            raise failure("EVENT_NOT_FOUND", event_id=event_id)
        event, replayed = found
        data: Any = {"event": event_of(event), "replayed": replayed}
        return {"success": True, "message": f"Event {event_id} is pending", "data": data}


def _whose(user_id: str, caller: Caller) -> str | None:
    """Return the user whose tasks are asked for: the token's own where a token asks; None is everybody.

    Raises:
        ApiError: 403; a token asks for another user's.
    """
    if caller.user_id is not None and user_id not in {"", caller.user_id}:
        raise forbidden("The tasks belong to another user")
    return caller.user_id or user_id or None


def build_routes(handlers: Handlers, guard: AuthDependencies) -> list[Route]:
    """Return all paths under /internal."""
    ask: dict[str, Any] = {"allow": guard.everything, "security": ["key"]}
    ask_own: dict[str, Any] = {"allow": guard.own_tasks, "security": ["key", "token"]}
    feed: dict[str, Any] = {"allow": guard.own_calendar, "security": ["key", "token", "tokenInAddress"]}
    do: dict[str, Any] = ask | {"methods": ["POST"]}
    at = "/internal/worker"
    return [
        Route(f"{at}/tasks/recurrence", handlers.process_recurrence, "tasks", *openapi.PROCESSING, **do),
        Route(f"{at}/tasks/cleanup", handlers.clean_up_orphans, "tasks", *openapi.CLEANING, **do),
        Route(f"{at}/validate", handlers.validate_recurrence, "tasks", *openapi.VALIDATING, **do),
        Route(f"{at}/preview", handlers.preview_slots, "tasks", *openapi.PREVIEWING, **ask_own),
        Route(f"{at}/explain", handlers.explain_day, "tasks", *openapi.EXPLAINING, **ask_own),
        Route(f"{at}/calendar.ics", handlers.get_calendar, "tasks", *openapi.CALENDAR, **feed),
        Route(f"{at}/series/{{task_id}}/update", handlers.update_series, "series", *openapi.CHANGING, **do),
        Route(f"{at}/series/{{task_id}}/reopen", handlers.reopen_task, "series", *openapi.CHANGING, **do),
        Route(f"{at}/series/{{task_id}}/skip", handlers.skip_slot, "series", *openapi.CHANGING, **do),
        Route(f"{at}/events", handlers.list_events, "events", *openapi.LISTING, **ask_own),
        Route(f"{at}/events/{{event_id}}/replay", handlers.replay_event, "events", *openapi.REPLAYING, **do),
        Route(f"{at}/health", handlers.get_health, "monitoring", *openapi.CHECKING, **ask),
        Route(f"{at}/stats", handlers.get_stats, "monitoring", *openapi.COUNTING, **ask_own),
        *_docs(guard),
    ]


def _docs(guard: AuthDependencies) -> list[Route]:
    async def description(request: Request) -> Response:
        return json_response(request.app.openapi())

    async def page() -> Response:
        return openapi.page()

    async def part(name: str) -> Response:
        found = openapi.part(name)
        if found is None:
            raise no_such_path()
        return found

    paths: dict[str, Any] = {
        openapi.OPENAPI_PATH: description,
        openapi.DOCS_PATH: page,
        openapi.DOCS_PATH + "/{name}": part,
    }
    return [Route(path, each, allow=guard.everything) for path, each in paths.items()]
