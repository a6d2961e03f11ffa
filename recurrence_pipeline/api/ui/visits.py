"""A request for a page: who makes it, whether they may, and an answer that is a page, also where it is refused."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from recurrence_pipeline.api.auth import AuthDependencies, Caller
from recurrence_pipeline.api.errors import ApiError, bad_request, error_from
from recurrence_pipeline.api.requests import read_body
from recurrence_pipeline.api.routing import PathRoute
from recurrence_pipeline.api.ui import rendering
from recurrence_pipeline.api.ui.clocks import Clock
from recurrence_pipeline.api.ui.session import (
    PATH,
    Session,
    Sessions,
    form_token,
    keep_form_token,
    require_own_form,
)
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import RecurrenceError

ZONE_COOKIE = "recurrence_zone"
MAX_FIELDS = 50
OF_EVERYBODY = ((f"{PATH}/queue", "Queue and health"), (f"{PATH}/audit", "Audit log"))
"""The pages that are about everybody's series."""

Form = Mapping[str, str]
Handler = Callable[["Visit"], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page, by somebody who may make it. `form` is what a form of ours has sent."""

    request: Request
    caller: Caller | None
    session: Session | None
    form: Form

    @property
    def query(self) -> Mapping[str, str]:
        """What the address asks for."""
        return self.request.query_params

    @property
    def user_id(self) -> str | None:
        """The one user whose series may be seen; None: all."""
        return self.caller.user_id if self.caller is not None else None

    @property
    def sees_all(self) -> bool:
        """Whether they may see, and do, everything."""
        return self.caller is not None and self.caller.user_id is None

    @property
    def clock(self) -> Clock:
        """The clock of whoever looks."""
        return Clock(unquote(self.request.cookies.get(ZONE_COOKIE, "UTC")))

    def page(self, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        """Return a page with what all pages have around it."""
        who = {
            "name": self.caller.name if self.caller is not None else "",
            "has_session": self.session is not None,
            "sees_all": self.sees_all,
        }
        token = form_token(self.request, self.session)
        around = {"who": who, "csrf": token, "zone": self.clock.name, "pages": OF_EVERYBODY}
        response = rendering.page(template, around | dict(values), status)
        keep_form_token(self.request, response)
        return response

    def refusal(self, error: ApiError) -> Response:
        """Return a refusal as a page."""
        values = {"heading": error.body["error"], "text": error.body["message"]}
        response = self.page("message.html.j2", values, error.status)
        response.headers.update(error.headers)
        return response


class PageRoute(PathRoute):
    """A path that answers with pages."""

    def __init__(self, path: str, answer: Callable[[Request], Awaitable[Response]], method: str) -> None:
        super().__init__(path, answer, methods=[method], include_in_schema=False)


class Gate:
    """Makes the paths: it lets in, and refuses, before their handlers are asked."""

    def __init__(self, settings: Settings, guard: AuthDependencies) -> None:
        self.guard = guard
        self.sessions = Sessions(settings)

    def open(self, path: str, handler: Handler, method: str = "GET") -> PageRoute:
        """Return a path for everybody."""

        async def enter(request: Request, _session: Session | None) -> Caller | None:
            self.guard.count(request)
            return None

        return self._route(path, handler, method, enter)

    def guarded(self, path: str, handler: Handler, method: str = "GET", *, everything: bool = False) -> PageRoute:
        """Return a path for those who may ask; `everything`: not for users, who only read what is theirs."""

        async def enter(request: Request, session: Session | None) -> Caller | None:
            known = session.caller if session is not None else None
            return await self.guard.visitor(request, known, everything=everything)

        return self._route(path, handler, method, enter)

    def _route(
        self,
        path: str,
        handler: Handler,
        method: str,
        enter: Callable[[Request, Session | None], Awaitable[Caller | None]],
    ) -> PageRoute:
        async def answer(request: Request) -> Response:
            session = self.sessions.read(request)
            visit = Visit(request, None, session, {})
            try:
                visit = Visit(request, await enter(request, session), session, {})
                if method == "POST":
                    visit = Visit(request, visit.caller, session, await _own_form(request, session))
                return await handler(visit)
            except RecurrenceError as error:
                return visit.refusal(error_from(error))
            except ApiError as error:
                unknown = visit.caller is None and visit.session is None and error.status == 403 and method == "GET"
                return (
                    RedirectResponse(f"{PATH}/sign-in", 303)
                    if unknown and self.guard.has_keys
                    else visit.refusal(error)
                )

        return PageRoute(path, answer, method)


async def _own_form(request: Request, session: Session | None) -> Form:
    """Return what a form of ours has sent."""
    body = await read_body(request)
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise bad_request("The form cannot be read") from None
    require_own_form(request, session, form)
    return form
