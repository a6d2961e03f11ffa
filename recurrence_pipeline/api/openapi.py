"""The OpenAPI description and the page that shows it, which asks nothing of any other host."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.responses import Response

from recurrence_pipeline.api.auth import KEY_HEADER

OPENAPI_PATH = "/internal/openapi.json"
DOCS_PATH = "/internal/docs"
CONTRACT_VERSION = "1"
"""Of this contract, not of the software."""

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
}
KEY_ONLY: list[dict[str, list[str]]] = [{"key": []}]
KEY_OR_TOKEN: list[dict[str, list[str]]] = [{"key": []}, {"token": []}]

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


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description; it is made once."""
    if not app.openapi_schema:
        description = get_openapi(
            title="Internal API of the recurrence worker",
            version=CONTRACT_VERSION,
            description="What the task application asks of its background worker. Every answer has an `X-Request-ID`. "
            "Any other path or method answers 404. Ids are 24 hex digits; dates have milliseconds and Z.",
            routes=app.routes,
        )
        description.setdefault("components", {})["securitySchemes"] = SECURITY
        app.openapi_schema = description
    return app.openapi_schema


def operation(
    security: list[dict[str, list[str]]], *parameters: dict[str, Any], body: Sequence[type[BaseModel]] = ()
) -> dict[str, Any]:
    """Return what FastAPI cannot know of a route that reads its requests itself."""
    described: dict[str, Any] = {"security": security}
    if parameters:
        described["parameters"] = list(parameters)
    if body:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _any_of(body)}},
        }
    return described


def _any_of(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    schemas = [model.model_json_schema() for model in models]
    return schemas[0] if len(schemas) == 1 else {"oneOf": schemas}


def in_query(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> dict[str, Any]:
    """Return the description of a query parameter."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a part of the path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}
