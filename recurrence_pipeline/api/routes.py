"""The paths: who may ask, and what each can answer. What they do is in handlers.py."""

from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from recurrence_pipeline.api import docs, requests
from recurrence_pipeline.api.answers import json_answer
from recurrence_pipeline.api.errors import no_such_path
from recurrence_pipeline.api.guard import Guard
from recurrence_pipeline.api.handlers import Handlers
from recurrence_pipeline.api.models import (
    HEX,
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
from recurrence_pipeline.api.refusals import BadRequest, NotValid, Responses, refused
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.model import EventStatus

ID_SCHEMA = {"type": "string", "pattern": HEX}
STATUS_SCHEMA = {"type": "string", "enum": [status.value for status in EventStatus]}

NOT_VALID: Responses = {400: {"model": BadRequest | NotValid, "description": "No task, or one that may not recur"}}
UNHEALTHY: Responses = {503: {"model": UnhealthyAnswer, "description": "The database is away"}}


def build_router(worker: Worker, guard: Guard) -> APIRouter:
    """Return all paths under /internal."""
    handlers = Handlers(worker)
    router = APIRouter(prefix="/internal", redirect_slashes=False)
    _add_work(router, handlers, guard)
    _add_questions(router, handlers, guard)
    _add_docs(router, guard)
    return router


def _add_work(router: APIRouter, handlers: Handlers, guard: Guard) -> None:
    common: dict[str, Any] = {"methods": ["POST"], "dependencies": [Depends(guard.everything)]}
    router.add_api_route(
        "/worker/tasks/recurrence",
        handlers.recurrence,
        responses=_answers(RecurrenceAnswer, refused(400, 404, 422, body=True)),
        openapi_extra=docs.operation(docs.KEY_ONLY, body=[RecurrenceRequest, DeletionRequest]),
        **common,
    )
    router.add_api_route(
        "/worker/tasks/cleanup",
        handlers.cleanup,
        responses=_answers(CleanupAnswer, refused(400, 409, body=True)),
        openapi_extra=docs.operation(docs.KEY_ONLY),
        **common,
    )
    router.add_api_route(
        "/worker/validate",
        handlers.validate,
        responses=_answers(ValidationAnswer, refused(body=True) | NOT_VALID),
        openapi_extra=docs.operation(docs.KEY_ONLY, body=[ValidationRequest]),
        **common,
    )
    router.add_api_route(
        "/worker/events/{event_id}/replay",
        handlers.replay,
        responses=_answers(ReplayAnswer, refused(400, 404, 409)),
        openapi_extra=docs.operation(docs.KEY_ONLY, docs.in_path("event_id", ID_SCHEMA)),
        **common,
    )


def _add_questions(router: APIRouter, handlers: Handlers, guard: Guard) -> None:
    router.add_api_route(
        "/worker/health",
        handlers.health,
        dependencies=[Depends(guard.everything)],
        responses=_answers(HealthAnswer, refused() | UNHEALTHY),
        openapi_extra=docs.operation(docs.KEY_ONLY),
    )
    own_tasks: dict[str, Any] = {"dependencies": [Depends(guard.own_tasks)]}
    router.add_api_route(
        "/worker/stats",
        handlers.stats,
        responses=_answers(StatsAnswer, refused(400)),
        openapi_extra=docs.operation(
            docs.KEY_OR_TOKEN, docs.in_query("userId", ID_SCHEMA, "Count this user's tasks only.")
        ),
        **own_tasks,
    )
    router.add_api_route(
        "/worker/events",
        handlers.events,
        responses=_answers(EventsAnswer, refused(400)),
        openapi_extra=docs.operation(
            docs.KEY_OR_TOKEN,
            docs.in_query("status", STATUS_SCHEMA, "Only events with this status."),
            docs.in_query("taskId", ID_SCHEMA, "Only events that name this task."),
            docs.in_query("limit", _whole(requests.DEFAULT_EVENTS, requests.MAX_EVENTS), "At most so many."),
        ),
        **own_tasks,
    )
    router.add_api_route(
        "/worker/preview",
        handlers.preview,
        responses=_answers(PreviewAnswer, refused(400, 404, 422)),
        openapi_extra=docs.operation(
            docs.KEY_OR_TOKEN,
            docs.in_query("taskId", ID_SCHEMA, "An original or an occurrence.", required=True),
            docs.in_query("count", _whole(requests.DEFAULT_PREVIEW, requests.MAX_PREVIEW), "How many slots to show."),
        ),
        **own_tasks,
    )


def _add_docs(router: APIRouter, guard: Guard) -> None:
    only = [Depends(guard.everything)]

    @router.get("/openapi.json", dependencies=only, include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return json_answer(docs.describe(request.app))

    @router.get("/docs", dependencies=only, include_in_schema=False)
    async def page() -> Response:
        return docs.page()

    @router.get("/docs/{name}", dependencies=only, include_in_schema=False)
    async def part(name: str) -> Response:
        found = docs.part(name)
        if found is None:
            raise no_such_path()
        return found


def _answers(success: Any, others: Responses) -> Responses:
    return {200: {"model": success, "description": "Done"}, **others}


def _whole(default: int, at_most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": at_most, "default": default}
