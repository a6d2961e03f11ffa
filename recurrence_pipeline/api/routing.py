"""The order in which a request is read: who asks, which query parameters there are, what they say, and then the body.

FastAPI makes the OpenAPI page from the signature of a handler; the route reads requests by that same signature. FastAPI
itself would take in a body before anybody had asked for the key.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, get_type_hints

from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from recurrence_pipeline.api.errors import ApiError
from recurrence_pipeline.api.openapi import BODY, CALENDAR_SUCCESS, error_responses
from recurrence_pipeline.api.requests import parse, query, read_json
from recurrence_pipeline.api.responses import CalendarResponse, json_response


class Route(APIRoute):
    """A path. Its handler names what it wants: `request`, `query`, `body`, or a part of the path.

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
        self._allow = allow
        self._has_body = "POST" in methods
        hints = get_type_hints(handler, include_extras=True)
        self._wants_request = "request" in hints
        self._readers = {name: TypeAdapter(hints[name]) for name in hints.keys() - {"request", "return"}}
        model = get_type_hints(handler).get("query")
        self._parameters = {field.alias for field in model.model_fields.values()} if model else set()
        super().__init__(
            path,
            handler,
            methods=list(methods),
            operation_id=to_camel(handler.__name__),
            summary=re.split("[.,:;]", handler.__doc__ or "")[0],
            tags=[tag],
            response_description="Done",
            responses={
                **error_responses((*errors, *BODY) if self._has_body else errors),
                **(CALENDAR_SUCCESS if hints["return"] is CalendarResponse else {}),
            },
            openapi_extra={"security": [{scheme: []} for scheme in security]},
            include_in_schema=bool(tag),
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what takes a request to its response."""
        return self._respond

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
        response = await self.endpoint(**wanted)
        return response if isinstance(response, Response) else json_response(response)
