"""The order in which a request is read: who asks, which query parameters there are, what they say, and then the body.

FastAPI makes the OpenAPI page from the signature of a handler; the route reads requests by that same signature. FastAPI
itself would take in a body before anybody had asked for the key. What it makes of all answers for that page takes
longer than all else that an API is put together from, and few ever look at the page: so it is made for whoever does.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any, get_type_hints

from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as Served
from starlette.types import Scope

from recurrence_pipeline.api.errors import ApiError
from recurrence_pipeline.api.openapi import BODY, CALENDAR_SUCCESS, error_responses
from recurrence_pipeline.api.requests import parse, query, read_json
from recurrence_pipeline.api.responses import CalendarResponse, json_response


class PathRoute(Served):
    """A path as it is served: the log names a request by it, and not by what was asked."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether this path is meant, and leave word of it in the scope."""
        match, found = super().matches(scope)
        return match, {**found, "route": self} if match is not Match.NONE else found


class Route(PathRoute):
    """A path of the API. Its handler names what it wants: `request`, `query`, `body`, or a part of the path.

    `errors` are examples of what it can answer beside its success; `allow` raises where somebody may not ask. One
    without a tag is not on the page.
    """

    def __init__(
        self,
        path: str,
        handler: Callable[..., Any],
        tag: str = "",
        *errors: ApiError,
        allow: Callable[[Request], Awaitable[None]],
        security: Collection[str] = (),
        methods: Collection[str] = ("GET",),
    ) -> None:
        self._handler = handler
        self._tag = tag
        self._errors = errors
        self._allow = allow
        self._security = security
        self._has_body = "POST" in methods
        self._hints = get_type_hints(handler, include_extras=True)
        self._wants_request = "request" in self._hints
        self._readers = {name: TypeAdapter(self._hints[name]) for name in self._hints.keys() - {"request", "return"}}
        model = get_type_hints(handler).get("query")
        self._parameters = {field.alias for field in model.model_fields.values()} if model else set()
        super().__init__(path, self._respond, methods=list(methods), include_in_schema=bool(tag))

    def described(self) -> APIRoute:
        """Return what FastAPI makes the page of."""
        return APIRoute(
            self.path,
            self._handler,
            methods=["POST" if self._has_body else "GET"],
            operation_id=to_camel(self._handler.__name__),
            summary=re.split("[.,:;]", self._handler.__doc__ or "")[0],
            tags=[self._tag],
            response_description="Done",
            responses={
                **error_responses((*self._errors, *BODY) if self._has_body else self._errors),
                **(CALENDAR_SUCCESS if self._hints["return"] is CalendarResponse else {}),
            },
            openapi_extra={"security": [{scheme: []} for scheme in self._security]},
        )

    async def _respond(self, request: Request) -> Response:
        await self._allow(request)
        said: dict[str, Any] = {"query": query(request.query_params, self._parameters), **request.path_params}
        wanted: dict[str, Any] = {"request": request} if self._wants_request else {}
        for name in self._readers.keys() & said.keys():
            wanted[name] = parse(self._readers[name], said[name], name)
        if self._has_body:  # read even where it says nothing: one of another kind is a web page's
            body = await read_json(request)
            if "body" in self._readers:
                wanted["body"] = parse(self._readers["body"], body, "body")
        response = await self._handler(**wanted)
        return response if isinstance(response, Response) else json_response(response)
