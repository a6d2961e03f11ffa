"""The paths: who may ask, and what each can answer. What they do is in handlers.py."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from recurrence_pipeline.api import openapi, requests
from recurrence_pipeline.api.auth import Guard
from recurrence_pipeline.api.errors import BadRequest, NotValid, Responses, no_such_path, refused
from recurrence_pipeline.api.handlers import Handlers
from recurrence_pipeline.api.responses import json_answer
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
from recurrence_pipeline.domain.model import EventStatus

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


def build_router(handlers: Handlers, guard: Guard) -> APIRouter:
    """Return all paths under /internal."""
    router = APIRouter(prefix="/internal", redirect_slashes=False)
    _add_work(router, handlers, guard)
    _add_questions(router, handlers, guard)
    _add_docs(router, guard)
    return router


def _add_work(router: APIRouter, handlers: Handlers, guard: Guard) -> None:
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


def _add_questions(router: APIRouter, handlers: Handlers, guard: Guard) -> None:
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


def _add_docs(router: APIRouter, guard: Guard) -> None:
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
