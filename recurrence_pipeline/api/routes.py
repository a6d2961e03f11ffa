"""The paths: who may ask, what each can answer, and the calls of the worker behind them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from recurrence_pipeline.api import openapi, requests
from recurrence_pipeline.api.auth import AuthDependencies, Caller, known_caller
from recurrence_pipeline.api.errors import (
    UNREACHABLE,
    BadRequest,
    NotValid,
    Responses,
    answer_to,
    failure,
    forbidden,
    invalid_recurrence,
    no_such_path,
    refused,
)
from recurrence_pipeline.api.responses import cleaned, event_answers, json_answer, processed
from recurrence_pipeline.api.schemas import (
    HEX,
    HEX_OR_NOTHING,
    CleanupAnswer,
    DeletionRequest,
    EventsAnswer,
    HealthAnswer,
    PreviewAnswer,
    RecurrenceAnswer,
    RecurrenceRequest,
    ReplayAnswer,
    StatsAnswer,
    UnhealthyAnswer,
    ValidationAnswer,
    ValidationRequest,
)
from recurrence_pipeline.api.threads import Threads
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.errors import InvalidRecurrence, RecurrenceError
from recurrence_pipeline.domain.model import EventStatus, Source
from recurrence_pipeline.views.common import preview_data

SIGN_OF_LIFE = timedelta(seconds=1.2)
"""How long the database may take for one: health answers within 2 s."""
FOR_THE_ANSWER = timedelta(seconds=0.75)
"""What is left of WORKER_TIMEOUT for the answer; the driver looks only each 0.5 s whether its time is over."""
HEALTH_CHECKS = 2
"""Checks of health at a time. They have turns of their own: what waits for the database must not hold them up."""

WhoAsks = Annotated[Caller, Depends(known_caller)]
Given = Annotated[requests.Query, Depends(requests.given)]


class Handlers:
    """The worker behind HTTP, in threads and with time limits."""

    def __init__(self, worker: Worker) -> None:
        timeout = worker.settings.worker_timeout
        patience = max(timeout - FOR_THE_ANSWER, timeout / 2)
        self._worker = worker
        self._call = Threads(at_a_time=max(worker.settings.mongodb_pool_size - 1, 1), patience=patience)
        self._check = Threads(at_a_time=HEALTH_CHECKS, patience=patience)
        self._sign_of_life = min(SIGN_OF_LIFE, patience)

    async def is_user(self, user_id: str) -> bool:
        """Say whether the application has this user."""
        return await self._call(lambda: self._worker.queries.is_user(user_id))

    async def recurrence(self, request: Request) -> Response:
        """Process an operation on a task at once. Asked again, it answers the same and changes nothing."""
        asked = requests.recurrence(await requests.read_json(request))

        def work_off() -> dict[str, Any]:
            return self._worker.process_task_recurrence(
                asked.task_id, asked.operation, asked.user_id, source=Source.API
            )

        try:
            data = await self._call(work_off)
        except RecurrenceError as error:
            raise answer_to(error, operation=asked.operation) from error
        return json_answer(processed(data))

    async def cleanup(self, request: Request) -> Response:
        """Delete occurrences whose original is gone. So many that they look like a mistake are refused with 409."""
        await requests.read_json(request)
        count = await self._call(self._worker.maintenance.clean_orphans)
        return json_answer(cleaned(count, utc_now()))

    async def validate(self, request: Request) -> Response:
        """Say whether a task may recur; its due date is compared with now."""
        task = requests.task_to_validate(await requests.read_json(request))
        try:
            self._worker.validate_recurrence(task)
        except InvalidRecurrence as error:
            raise invalid_recurrence(str(error)) from error
        return json_answer({"success": True, "data": {"valid": True, "task": task}})

    async def health(self) -> Response:
        """Say whether the worker can work, within 2 s where the database is away."""
        data = await self._check(lambda: self._worker.health.status(patience=self._sign_of_life))
        if data["status"] == "healthy":
            return json_answer({"success": True, "data": data})
        return json_answer({"success": False, "data": data | {"error": UNREACHABLE}}, 503)

    async def stats(self, given: Given, caller: WhoAsks) -> Response:
        """Count tasks by kind: a user's, or everybody's."""
        user_id = requests.optional_user(given)
        if caller.user_id is not None:
            if user_id not in {None, caller.user_id}:
                raise forbidden("The tasks belong to another user")
            user_id = caller.user_id
        data = await self._call(lambda: self._worker.health.detailed(user_id))
        if caller.user_id is not None:
            data["workerStatus"].pop("queue", None)  # everybody's events are counted there
        return json_answer({"success": True, "data": data})

    async def preview(self, given: Given, caller: WhoAsks) -> Response:
        """Show the next slots of a task, and what is odd about each."""
        task_id = requests.required_id(given, "taskId")
        count = requests.number(given, "count", default=requests.DEFAULT_PREVIEW, at_most=requests.MAX_PREVIEW)

        def slots() -> list[dict[str, Any]]:
            if caller.user_id is not None:
                self._worker.queries.require_owner(task_id, caller.user_id)
            return preview_data(self._worker.queries.preview(task_id, count))

        return json_answer({"success": True, "data": {"taskId": task_id, "slots": await self._call(slots)}})

    async def events(self, given: Given, caller: WhoAsks) -> Response:
        """Say what happened, newest first: to one task, or to all."""
        status, task_id = requests.optional_status(given), requests.optional_id(given, "taskId")
        limit = requests.number(given, "limit", default=requests.DEFAULT_EVENTS, at_most=requests.MAX_EVENTS)
        found = await self._call(
            lambda: self._worker.queries.events(limit=limit, status=status, task_id=task_id, user_id=caller.user_id)
        )
        return json_answer({"success": True, "data": {"events": event_answers(found)}})

    async def replay(self, request: Request) -> Response:
        """Give a failed or rejected event another try; one that is being worked on or is completed answers 409."""
        event_id = requests.required_id(request.path_params, "event_id")
        await requests.read_json(request)  # which says nothing: a body of another kind is a web page's
        found = await self._call(lambda: self._worker.queries.replay(event_id))
        if found is None:
            raise failure(404, "EVENT_NOT_FOUND", f"There is no event {event_id}")
        event, replayed = found
        data = {"event": event_answers([event])[0], "replayed": replayed}
        return json_answer({"success": True, "message": f"Event {event_id} is pending", "data": data})


ID_SCHEMA = {"type": "string", "pattern": HEX}
USER_SCHEMA = {"type": "string", "pattern": HEX_OR_NOTHING}
STATUS_SCHEMA = {"type": "string", "enum": [status.value for status in EventStatus]}


def _whole(default: int, at_most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": at_most, "default": default}


OF_STATS = [openapi.in_query("userId", USER_SCHEMA, "Count this user's tasks only; nothing: everybody's.")]
OF_EVENTS = [
    openapi.in_query("status", STATUS_SCHEMA, "Only events with this status."),
    openapi.in_query("taskId", ID_SCHEMA, "Only events that name this task."),
    openapi.in_query("limit", _whole(requests.DEFAULT_EVENTS, requests.MAX_EVENTS), "At most so many."),
]
OF_PREVIEW = [
    openapi.in_query("taskId", ID_SCHEMA, "An original or an occurrence.", required=True),
    openapi.in_query("count", _whole(requests.DEFAULT_PREVIEW, requests.MAX_PREVIEW), "How many slots to show."),
]

NOT_VALID: Responses = {400: {"model": BadRequest | NotValid, "description": "No task, or one that may not recur"}}
UNHEALTHY: Responses = {503: {"model": UnhealthyAnswer, "description": "The database is away"}}


def build_router(handlers: Handlers, guard: AuthDependencies) -> APIRouter:
    """Return all paths under /internal."""
    router = APIRouter(prefix="/internal", redirect_slashes=False)
    _add_work(router, handlers, guard)
    _add_questions(router, handlers, guard)
    _add_docs(router, guard)
    return router


def _add_work(router: APIRouter, handlers: Handlers, guard: AuthDependencies) -> None:
    common: dict[str, Any] = {"methods": ["POST"], "dependencies": _only(guard.everything)}
    router.add_api_route(
        "/worker/tasks/recurrence",
        handlers.recurrence,
        responses=_answers(RecurrenceAnswer, refused(404, 422, body=True)),
        openapi_extra=openapi.operation(openapi.KEY_ONLY, body=[RecurrenceRequest, DeletionRequest]),
        **common,
    )
    router.add_api_route(
        "/worker/tasks/cleanup",
        handlers.cleanup,
        responses=_answers(CleanupAnswer, refused(409, body=True)),
        openapi_extra=openapi.operation(openapi.KEY_ONLY),
        **common,
    )
    router.add_api_route(
        "/worker/validate",
        handlers.validate,
        responses=_answers(ValidationAnswer, refused(body=True) | NOT_VALID),
        openapi_extra=openapi.operation(openapi.KEY_ONLY, body=[ValidationRequest]),
        **common,
    )
    router.add_api_route(
        "/worker/events/{event_id}/replay",
        handlers.replay,
        responses=_answers(ReplayAnswer, refused(404, 409, body=True)),
        openapi_extra=openapi.operation(openapi.KEY_ONLY, openapi.in_path("event_id", ID_SCHEMA)),
        **common,
    )


def _add_questions(router: APIRouter, handlers: Handlers, guard: AuthDependencies) -> None:
    router.add_api_route(
        "/worker/health",
        handlers.health,
        dependencies=_only(guard.everything),
        responses=_answers(HealthAnswer, refused() | UNHEALTHY),
        openapi_extra=openapi.operation(openapi.KEY_ONLY),
    )
    for path, handler, success, others, parameters in (
        ("/worker/stats", handlers.stats, StatsAnswer, refused(), OF_STATS),
        ("/worker/events", handlers.events, EventsAnswer, refused(), OF_EVENTS),
        ("/worker/preview", handlers.preview, PreviewAnswer, refused(404, 422), OF_PREVIEW),
    ):
        router.add_api_route(
            path,
            handler,
            dependencies=_only(guard.own_tasks, *(parameter["name"] for parameter in parameters)),
            responses=_answers(success, others),
            openapi_extra=openapi.operation(openapi.KEY_OR_TOKEN, *parameters),
        )


def _add_docs(router: APIRouter, guard: AuthDependencies) -> None:
    only = _only(guard.everything)

    @router.get("/openapi.json", dependencies=only, include_in_schema=False)
    async def description(request: Request) -> Response:
        return json_answer(openapi.describe(request.app))

    @router.get("/docs", dependencies=only, include_in_schema=False)
    async def page() -> Response:
        return openapi.page()

    @router.get("/docs/{name}", dependencies=only, include_in_schema=False)
    async def part(name: str) -> Response:
        found = openapi.part(name)
        if found is None:
            raise no_such_path()
        return found


def _only(who: Callable[[Request], Awaitable[None]], *parameters: str) -> list[Any]:
    """Return what comes before a route does anything: who may ask, and then which query parameters there are."""
    return [Depends(who), Depends(requests.Parameters(*parameters))]


def _answers(success: Any, others: Responses) -> Responses:
    return {200: {"model": success, "description": "Done"}, **others}
