"""The OpenAPI description, made of the schemas and the errors themselves, and the page that shows it.

The page asks nothing of any other host.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import reduce
from importlib import resources
from itertools import groupby
from operator import attrgetter, or_
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.routing import BaseRoute

from recurrence_pipeline import __version__
from recurrence_pipeline.api.auth import IN_ADDRESS, KEY_HEADER
from recurrence_pipeline.api.errors import (
    RETRY_AFTER,
    ApiError,
    BadRequest,
    Failure,
    Forbidden,
    NoSuchPath,
    NotValid,
    bad_request,
    error_from,
    failure,
    forbidden,
    invalid_recurrence,
    no_such_path,
)
from recurrence_pipeline.api.responses import CalendarResponse, unhealthy
from recurrence_pipeline.api.schemas import EVENT, ID, ID_OF_OCCURRENCE, WHEN, UnhealthyResponse
from recurrence_pipeline.api.series_schemas import EXAMPLES
from recurrence_pipeline.domain import errors

OPENAPI_PATH = "/internal/openapi.json"
DOCS_PATH = "/internal/docs"

TAGS = [
    {"name": "tasks", "description": "What happened to a task, and when it comes next."},
    {
        "name": "series",
        "description": "A change of mind: an edited series, a completion taken back, a slot not wanted.",
    },
    {"name": "events", "description": "What became of it, and another try."},
    {"name": "monitoring", "description": "Whether the worker can work, and how much there is."},
]
SECURITY: dict[str, Any] = {
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": KEY_HEADER,
        "description": "Needed where INTERNAL_API_KEY is set; where not, only loopback may ask, with no key.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "HS256, claim `_id`: where JWT_SECRET is set, a user may read what is theirs.",
    },
    "tokenInAddress": {
        "type": "apiKey",
        "in": "query",
        "name": IN_ADDRESS,
        "description": "The same token, for calendar programs. Whoever sees the address can read the calendar.",
    },
}

MEANING: Mapping[int, str] = {
    400: "The request cannot be right: a parameter, the body, or HTTP itself",
    403: "Whoever asks may not: the key is missing or wrong, or may not ask this; where no key is set, another "
    "machine, or a web page",
    404: "There is no such thing, or no such path",
    408: "The request was not complete within REQUEST_TIMEOUT",
    409: "Not in the state that things are in",
    413: "The body is larger than 1 MB",
    415: "The body is not JSON",
    422: "The recurrence is refused",
    429: "Too many requests of one caller; `Retry-After` says when to come back",
    431: "More than 100 headers, or more than 16 KiB of them",
    500: "A defect of this system; the log has the cause",
    503: "The database is away, or too many wait for it: try again after `Retry-After` seconds",
}
STATUS = attrgetter("status")
_SCHEMAS: Mapping[Any, TypeAdapter[Any]] = {
    schema: TypeAdapter(schema) for schema in (BadRequest, NotValid, Forbidden, NoSuchPath, Failure, UnhealthyResponse)
}

EVERYWHERE = (
    bad_request("Unknown query parameter: sort"),
    forbidden("Invalid internal API key"),
    forbidden("Internal API access restricted"),
    failure("REQUEST_TIMEOUT", seconds=20),
    failure("RATE_LIMITED", per_minute=100, retry_after=17),
    failure("HEADERS_TOO_LARGE"),
    failure("UNEXPECTED"),
    failure("BUSY", retry_after=RETRY_AFTER),
    error_from(errors.DatabaseUnavailable()),
)
"""What every path can answer."""

BODY = (bad_request("Malformed JSON in request body"), failure("BODY_TOO_LARGE"), failure("UNSUPPORTED_MEDIA_TYPE"))
"""What a path that takes a body can answer, too."""

_WORK = (
    errors.OriginalNotFound("Original task not found"),
    errors.InvalidRecurrence("Invalid repeat type: hourly", field="repeatType"),
    errors.WrongType("parentRecurringId: '7' is text, not an ObjectId"),
    errors.NotAMember(f"userId: {ID} is not the user of the series"),
    errors.RuleChanged(counted_as="daily", says="weekly"),
    errors.WriteRejected("Document failed validation"),
    errors.TaskNotVisibleYet(f"Task {ID} is not there yet", until=datetime.max.replace(tzinfo=timezone.utc)),
    errors.PartialWrite("1 occurrence could not be written: Document failed validation"),
    errors.InternalError(),
    errors.PoisonEvent("5 workers died holding it alone"),
    errors.LeaseLost("1 of 1 events are held by another worker now"),
    errors.DatabaseUnavailable(),
)
PROCESSING = (
    bad_request("Valid taskId is required"),
    no_such_path(),
    *(error_from(error, operation="create") for error in _WORK),
)
"""What can become of a task that is processed."""
CHANGING = (
    bad_request("Unknown field: dryrun"),
    no_such_path(),
    *(
        error_from(error, operation="reopen")
        for error in (
            errors.ChangeRefused(f"The completion cannot be taken back: a person changed task {ID_OF_OCCURRENCE}"),
            errors.InvalidRecurrence("slot: the series has no slot 9", field="slot", value=9),
            errors.MemoryChanged("the series was changed at the same moment"),
            *_WORK[:1],
            *_WORK[2:],
        )
    ),
)
"""What can become of a series that is changed."""
CLEANING = (error_from(errors.CleanupRefused("45 of 60 occurrences have no original: nothing was deleted")),)
VALIDATING = (bad_request("Valid task object is required"), invalid_recurrence("Invalid repeat type: hourly"))
PREVIEWING = (
    bad_request("Valid taskId is required"),
    no_such_path(),
    *map(error_from, (*_WORK[:2], errors.PermissionDenied("The task belongs to another user"))),
)
EXPLAINING = (bad_request("date must be a date such as 2027-01-31"), *PREVIEWING)
LISTING = (bad_request("limit must be a whole number from 1 to 500"),)
REPLAYING = (
    bad_request("Valid event_id is required"),
    no_such_path(),
    failure("EVENT_NOT_FOUND", event_id=EVENT),
    error_from(errors.NotReplayable("The event is completed: only failed and rejected events can be replayed")),
)
COUNTING = (bad_request("Valid userId is required"), forbidden("The tasks belong to another user"))
CALENDAR = COUNTING
_AWAY: Any = {"tasksWorker": "unavailable", "recurrenceEngine": "unavailable"}
CHECKING = (unhealthy({"status": "unhealthy", "timestamp": WHEN, "services": _AWAY, "stats": {}}),)


CALENDAR_EXAMPLE = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//recurrence-pipeline//recurring tasks//EN
BEGIN:VTODO
UID:6b046c55c5f3b9749e06fec5@recurrence-pipeline
DTSTAMP:20240131T090000Z
SUMMARY:Pay rent
DTSTART:20240131T090000Z
DUE:20240131T090001Z
RRULE:FREQ=MONTHLY;BYMONTHDAY=-1
END:VTODO
END:VCALENDAR
""".replace("\n", "\r\n")
CALENDAR_SUCCESS: dict[int | str, dict[str, Any]] = {
    200: {"content": {CalendarResponse.media_type: {"schema": {"type": "string"}, "example": CALENDAR_EXAMPLE}}}
}
"""What a calendar is described as."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Internal API of the recurrence worker</title>
<link rel="stylesheet" href="{DOCS_PATH}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{DOCS_PATH}/swagger-ui-bundle.js"></script>
<script src="{DOCS_PATH}/start.js"></script>
</body>
</html>
"""
START = f'SwaggerUIBundle({{url: "{OPENAPI_PATH}", dom_id: "#swagger-ui", validatorUrl: null}});\n'

_PACKAGED = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


def page() -> Response:
    """Return the page."""
    return Response(PAGE, media_type="text/html", headers={"Content-Security-Policy": POLICY})


def part(name: str) -> Response | None:
    """Return a part of the page, None where it has no such part."""
    if name == "start.js":
        return Response(START, media_type="text/javascript")
    if name not in _PACKAGED:
        return None
    content = resources.files("fastapi_offline").joinpath("static").joinpath(name).read_bytes()
    return Response(content, media_type=_PACKAGED[name], headers={"Cache-Control": "max-age=3600"})


def describe(app: FastAPI, described: Callable[[], Sequence[BaseRoute]]) -> dict[str, Any]:
    """Return the description of the routes; it is made once."""
    if not app.openapi_schema:
        description = get_openapi(
            title="Internal API of the recurrence worker",
            version=__version__,
            description="What the task application asks of its background worker. Every answer has an `X-Request-ID`. "
            "Any other path or method answers 404. Ids are 24 hex digits; dates have milliseconds and Z.",
            routes=described(),
            tags=TAGS,
        )
        components = description["components"]
        components["securitySchemes"] = SECURITY
        for framework in ("HTTPValidationError", "ValidationError"):  # no request is read by FastAPI here
            components["schemas"].pop(framework, None)
        for path in description["paths"].values():
            for operation in path.values():
                responses = operation["responses"]
                if "HTTPValidationError" in str(responses.get("422")):
                    del responses["422"]
                content = responses["200"]["content"]
                success = content["application/json"]
                if len(content) > 1:  # of another kind: the framework names JSON besides
                    del content["application/json"]
                else:
                    made = _example(success["schema"], components["schemas"])
                    success["example"] = EXAMPLES.get(operation["operationId"], made)
        app.openapi_schema = description
    return app.openapi_schema


def error_responses(examples: Iterable[ApiError]) -> dict[int | str, dict[str, Any]]:
    """Return what a path answers beside its success: these errors, and those that every path can answer."""
    described: dict[int | str, dict[str, Any]] = {}
    for status, those in groupby(sorted((*EVERYWHERE, *examples), key=STATUS), STATUS):
        bodies = [error.body for error in those]
        shown = {str(body.get("code") or body.get("message") or "unhealthy"): {"value": body} for body in bodies}
        described[status] = {
            "model": reduce(or_, map(_schema_of, bodies)),
            "description": MEANING[status],
            "content": {"application/json": {"examples": shown}},
        }
    return described


def _schema_of(body: Mapping[str, Any]) -> Any:
    def fits(adapter: TypeAdapter[Any]) -> bool:
        try:
            return bool(adapter.validate_python(body))
        except ValidationError:
            return False

    return next(schema for schema, adapter in _SCHEMAS.items() if fits(adapter))


def _example(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Return a value of a schema, made of the examples of its fields."""
    match schema:
        case {"$ref": str(name)}:
            return _example(known[name.rpartition("/")[2]], known)
        case {"examples": [first, *_]} | {"const": first} | {"enum": [first, *_]}:
            return first
        case {"anyOf": [first, *_]}:
            return _example(first, known)
        case {"type": "object"}:
            return {name: _example(each, known) for name, each in schema.get("properties", {}).items()}
        case {"type": "array"}:
            return [_example(schema["items"], known)]
    return True if schema.get("type") == "boolean" else None
