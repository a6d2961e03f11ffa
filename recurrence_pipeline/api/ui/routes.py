"""The paths of the pages: who sees what, and the calls of the worker behind them."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from recurrence_pipeline.api.auth import AuthDependencies, Caller
from recurrence_pipeline.api.errors import ApiError, bad_request, error_from
from recurrence_pipeline.api.requests import read_body
from recurrence_pipeline.api.threads import Threads
from recurrence_pipeline.api.ui import rendering
from recurrence_pipeline.api.ui.clocks import Clock
from recurrence_pipeline.api.ui.list_page import list_values
from recurrence_pipeline.api.ui.series_page import Links, series_values
from recurrence_pipeline.api.ui.session import (
    COOKIE,
    LASTS,
    PATH,
    Session,
    Sessions,
    expiry_of,
    form_token,
    keep_form_token,
    require_own_form,
    set_cookie,
    sign_out,
)
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.errors import InvalidInput, RecurrenceError
from recurrence_pipeline.domain.status import SeriesStatus
from recurrence_pipeline.worker.series_list import ListOrder, ListQuery

AT_A_TIME = 2
"""Pages that are made at a time: whoever looks must not keep those waiting who hand over work."""
PATIENCE = timedelta(seconds=30)
ZONE_COOKIE = "recurrence_zone"
ZONE_LASTS = timedelta(days=365)
ID_LENGTH = 24

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
    def clock(self) -> Clock:
        """The clock of whoever looks."""
        return Clock(unquote(self.request.cookies.get(ZONE_COOKIE, "UTC")))

    def page(self, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        """Return a page with what all pages have around it."""
        sees_all = self.caller is not None and self.caller.user_id is None
        who = {
            "name": self.caller.name if self.caller is not None else "",
            "has_session": self.session is not None,
            "sees_all": sees_all,
        }
        around = {"who": who, "csrf": form_token(self.request, self.session), "zone": self.clock.name, "pages": ()}
        response = rendering.page(template, around | dict(values), status)
        keep_form_token(self.request, response)
        return response


class PageRoute(APIRoute):
    """A path that answers with pages, also where it refuses."""

    def __init__(self, path: str, answer: Callable[[Request], Awaitable[Response]], method: str) -> None:
        self._answer = answer
        super().__init__(path, _nothing, methods=[method], include_in_schema=False)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what takes a request to its response."""

        async def respond(request: Request) -> Response:
            return await self._answer(request)

        return respond


async def _nothing() -> None:
    """Stand where the framework looks for a signature."""


class Pages:
    """The worker behind pages."""

    def __init__(self, worker: Worker, guard: AuthDependencies) -> None:
        settings = worker.settings
        self._worker = worker
        self._guard = guard
        self._sessions = Sessions(settings)
        self._call = Threads(at_a_time=AT_A_TIME, patience=min(PATIENCE, settings.worker_timeout))
        self._links = Links(settings.task_url or "", settings.dagster_ui_url)

    def routes(self) -> list[PageRoute]:
        """Return the paths."""
        return [
            self._open(PATH + "/style.css", _part("style.css")),
            self._open(PATH + "/page.js", _part("page.js")),
            self._open(PATH + "/sign-in", self.sign_in_page),
            self._open(PATH + "/sign-in", self.sign_in, "POST"),
            self._open(PATH + "/sign-out", self.sign_out, "POST"),
            self._open(PATH + "/zone", self.choose_zone, "POST"),
            self._guarded(PATH, self.list),
            self._guarded(PATH + "/series/{task_id}", self.series),
        ]

    # Who sees what

    def _open(self, path: str, handler: Handler, method: str = "GET") -> PageRoute:
        """Return a path for everybody."""

        async def answer(request: Request) -> Response:
            visit = Visit(request, None, self._sessions.read(request), {})
            try:
                self._guard.count(request)
                if method == "POST":
                    visit = Visit(request, None, visit.session, await _own_form(request, visit.session))
                return await handler(visit)
            except ApiError as error:
                return _refusal(visit, error)

        return PageRoute(path, answer, method)

    def _guarded(self, path: str, handler: Handler, method: str = "GET", *, everything: bool = False) -> PageRoute:
        """Return a path for those who may ask; `everything`: not for users, who only read what is theirs."""

        async def answer(request: Request) -> Response:
            session = self._sessions.read(request)
            visit = Visit(request, None, session, {})
            try:
                caller = await self._guard.visitor(request, session.caller if session else None, everything=everything)
                visit = Visit(request, caller, session, {})
                if method == "POST":
                    visit = Visit(request, caller, session, await _own_form(request, session))
                return await handler(visit)
            except RecurrenceError as error:
                return _refusal(visit, error_from(error))
            except ApiError as error:
                if visit.caller is None and error.status == 403 and self._guard.has_keys:
                    return RedirectResponse(PATH + "/sign-in", 303)
                return _refusal(visit, error)

        return PageRoute(path, answer, method)

    async def sign_in_page(self, visit: Visit) -> Response:
        """Ask for a key."""
        return visit.page("sign_in.html.j2", {"refused": ""})

    async def sign_in(self, visit: Visit) -> Response:
        """Take a key, or a token, and send the cookie that stands for it."""
        typed = visit.form.get("key", "").strip()
        caller = self._guard.key_holder(visit.request, typed)
        if caller is None:
            refused = "No key and no token that is known here"
            return visit.page("sign_in.html.j2", {"refused": refused}, 403)
        until = expiry_of(typed) if caller.user_id is not None else None
        response = RedirectResponse(PATH, 303)
        set_cookie(visit.request, response, COOKIE, self._sessions.begin(caller, until=until), LASTS)
        return response

    async def sign_out(self, _visit: Visit) -> Response:
        """Forget the session."""
        response = RedirectResponse(PATH + "/sign-in", 303)
        sign_out(response)
        return response

    async def choose_zone(self, visit: Visit) -> Response:
        """Note on whose clock times are shown."""
        zone = Clock(visit.form.get("zone", "").strip()).name
        response = RedirectResponse(_back(visit.request), 303)
        response.set_cookie(
            ZONE_COOKIE, zone, max_age=int(ZONE_LASTS.total_seconds()), path=PATH, samesite="strict", httponly=False
        )
        return response

    # What is shown

    async def list(self, visit: Visit) -> Response:
        """Show the series there are."""
        own = visit.caller is not None and visit.caller.user_id is not None
        query = _list_query(visit)
        if len(query.search) == ID_LENGTH and _is_hex(query.search):
            return RedirectResponse(f"{PATH}/series/{query.search.lower()}", 303)
        found = await self._call(lambda: self._worker.series_list.page(query))
        return visit.page("list.html.j2", list_values(query, found, visit.clock, own=own))

    async def series(self, visit: Visit) -> Response:
        """Show one series."""
        task_id = visit.request.path_params["task_id"]
        year = _year(visit.query.get("year"))
        user_id = visit.caller.user_id if visit.caller else None
        story = await self._call(lambda: self._worker.series_stories.story(task_id, year=year, user_id=user_id))
        return visit.page("series.html.j2", series_values(story, visit.clock, self._links))


def _part(name: str) -> Handler:
    async def answer(_visit: Visit) -> Response:
        return rendering.part(name)

    return answer


async def _own_form(request: Request, session: Session | None) -> Form:
    """Return what a form of ours has sent."""
    body = await read_body(request)
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise bad_request("The form cannot be read") from None
    require_own_form(request, session, form)
    return form


def _refusal(visit: Visit, error: ApiError) -> Response:
    """Return a refusal as a page."""
    values = {"heading": error.body["error"], "text": error.body["message"]}
    response = visit.page("message.html.j2", values, error.status)
    response.headers.update(error.headers)
    return response


def _list_query(visit: Visit) -> ListQuery:
    asked = visit.query
    own = visit.caller.user_id if visit.caller is not None else None
    user_id = own or asked.get("user", "").strip().lower() or None
    return ListQuery(
        user_id=user_id,
        search=asked.get("search", "").strip(),
        overdue=asked.get("overdue") == "yes",
        status=_one_of(SeriesStatus, "status", asked.get("status")),
        order=_one_of(ListOrder, "order", asked.get("order")) or ListOrder.NEWEST,
        after=asked.get("after") or None,
    )


def _one_of(kind: Any, name: str, value: str | None) -> Any:
    if not value:
        return None
    try:
        return kind(value)
    except ValueError:
        raise InvalidInput(
            f"{name}: {value[:ID_LENGTH]!r} is not one of {', '.join(each.value for each in kind)}"
        ) from None


def _year(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise InvalidInput(f"year: {text[:ID_LENGTH]!r} is not a year such as 2027")
    return int(text)


def _is_hex(text: str) -> bool:
    return all(each in "0123456789abcdefABCDEF" for each in text)


def _back(request: Request) -> str:
    """Return the path of ours that a form was sent from."""
    path = request.headers.get("referer", "").partition("://")[2].partition("/")[2]
    return f"/{path}" if path.startswith(PATH[1:]) else PATH
