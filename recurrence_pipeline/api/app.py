"""The application: its parts put together. What each route does is in routes.py."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from anyio import create_task_group, to_thread
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from recurrence_pipeline.api import openapi
from recurrence_pipeline.api.auth import KEY_HEADER, AuthDependencies, Authenticator
from recurrence_pipeline.api.errors import ApiError, bad_request, error_from, failure, no_such_path
from recurrence_pipeline.api.middleware import REFUSAL, REQUEST_ID, RequestMiddleware
from recurrence_pipeline.api.rate_limit import RateLimit
from recurrence_pipeline.api.responses import error_response
from recurrence_pipeline.api.routes import Handlers, build_routes
from recurrence_pipeline.api.ui.routes import Pages
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.errors import DatabaseUnavailable, RecurrenceError

log = structlog.get_logger(__name__)


def create_app(worker: Worker) -> FastAPI:
    """Return the internal API of a worker, as an ASGI application. Closing the worker is its opener's business."""
    settings = worker.settings
    access = Authenticator(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        for remark in access.remarks:
            log.warning(remark)
        log.info("internal API", keys=access.key_names, tokens=settings.jwt_secret is not None)
        async with create_task_group() as beside:
            beside.start_soon(_look_at_database, worker)
            yield
            beside.cancel_scope.cancel()  # a database that hangs keeps nobody from stopping

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    handlers = Handlers(worker)
    is_user = handlers.is_user if settings.jwt_require_user else None
    guard = AuthDependencies(access, RateLimit(settings.rate_limit_per_minute), is_user=is_user)
    routes = build_routes(handlers, guard)
    app.router.routes.extend(routes)
    app.router.routes.extend(Pages(worker, guard).routes())
    app.openapi = lambda: openapi.describe(app, lambda: [each.described() for each in routes if each.include_in_schema])  # type: ignore[method-assign]

    async def respond(request: Request, error: Any) -> Response:
        return error_response(_api_error(request, error, guard))

    for kind in (ApiError, RecurrenceError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, respond)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", KEY_HEADER, REQUEST_ID],
            expose_headers=[REQUEST_ID, "Retry-After"],
        )
    app.add_middleware(RequestMiddleware)
    return app


async def _look_at_database(worker: Worker) -> None:
    """Say at once, in the log, what would slow down or fail every request; keep nobody from asking."""
    try:
        await to_thread.run_sync(worker.require_schema, abandon_on_cancel=True)
    except DatabaseUnavailable as error:
        log.warning("the database is not prepared, or away", error=str(error))
    except RecurrenceError as error:
        log.warning("the database could not be looked at", error=str(error))


def _api_error(request: Request, error: Any, guard: AuthDependencies) -> ApiError:
    match error:
        case ApiError():
            return error
        case RecurrenceError():
            log.warning("not done", code=error.code, error=str(error))
            return error_from(error)
        case ClientDisconnect():
            return getattr(request.state, REFUSAL, None) or failure("CLIENT_GONE")
        case HTTPException(status_code=404 | 405):
            try:
                guard.count(request)
            except ApiError as too_many:
                return too_many
            return no_such_path()
    return bad_request("The request cannot be read")
