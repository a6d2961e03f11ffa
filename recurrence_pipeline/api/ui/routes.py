"""The paths of the pages: what each shows, and the calls of the worker behind it. What writes is in acting.py."""

from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from recurrence_pipeline.api.auth import AuthDependencies
from recurrence_pipeline.api.errors import error_from
from recurrence_pipeline.api.threads import Threads
from recurrence_pipeline.api.ui import rendering
from recurrence_pipeline.api.ui.acting import FIELDS, Acting, is_id, wanted_from
from recurrence_pipeline.api.ui.audit_page import audit_values, notice_of
from recurrence_pipeline.api.ui.clocks import Clock
from recurrence_pipeline.api.ui.list_page import list_values
from recurrence_pipeline.api.ui.queue import QueuePages
from recurrence_pipeline.api.ui.series_page import Links, series_values
from recurrence_pipeline.api.ui.session import COOKIE, LASTS, PATH, expiry_of, set_cookie, sign_out
from recurrence_pipeline.api.ui.visits import ZONE_COOKIE, Gate, Handler, PageRoute, Visit
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.difference import Difference
from recurrence_pipeline.domain.errors import DatabaseUnavailable, InvalidInput, RecurrenceError
from recurrence_pipeline.domain.status import SeriesStatus
from recurrence_pipeline.queries.series_actions import told
from recurrence_pipeline.queries.series_list import ListOrder, ListQuery

AT_A_TIME = 2
"""Pages that are made at a time: whoever looks must not keep those waiting who hand over work."""
PATIENCE = timedelta(seconds=30)
ZONE_LASTS = timedelta(days=365)
ID_LENGTH = 24
AUDIT_PAGE = 50


class Pages:
    """The worker behind pages."""

    def __init__(self, worker: Worker, guard: AuthDependencies) -> None:
        settings = worker.settings
        self._worker = worker
        self._gate = Gate(settings, guard)
        self._call = Threads(at_a_time=AT_A_TIME, patience=min(PATIENCE, settings.worker_timeout))
        self._links = Links(settings.task_url or "", settings.dagster_ui_url)
        self._acting = Acting(worker, self._call)
        self._queue = QueuePages(worker, self._call, self._acting, self._links)

    def routes(self) -> list[PageRoute]:
        """Return the paths."""
        gate, acting = self._gate, self._acting
        everything: dict[str, Any] = {"everything": True}
        do: dict[str, Any] = {"method": "POST", **everything}
        return [
            gate.open(f"{PATH}/style.css", _part("style.css")),
            gate.open(f"{PATH}/page.js", _part("page.js")),
            gate.open(f"{PATH}/icon.svg", _part("icon.svg")),
            gate.open(f"{PATH}/sign-in", self.sign_in_page),
            gate.open(f"{PATH}/sign-in", self.sign_in, "POST"),
            gate.open(f"{PATH}/sign-out", self.sign_out, "POST"),
            gate.open(f"{PATH}/zone", self.choose_zone, "POST"),
            gate.guarded(PATH, self.list),
            gate.guarded(f"{PATH}/series/{{task_id}}", self.series),
            gate.guarded(f"{PATH}/series/{{task_id}}/do", acting.do, **do),
            gate.guarded(f"{PATH}/deletions/{{deletion}}", acting.look_at_deletion, **everything),
            gate.guarded(f"{PATH}/deletions/{{deletion}}/restore", acting.restore, **do),
            gate.guarded(f"{PATH}/queue", self._queue.show, **everything),
            gate.guarded(f"{PATH}/queue/replay", self._queue.replay, **do),
            gate.guarded(f"{PATH}/audit", self.audit, **everything),
        ]

    async def sign_in_page(self, visit: Visit) -> Response:
        """Ask for a key."""
        return visit.page("sign_in.html.j2", {"refused": ""})

    async def sign_in(self, visit: Visit) -> Response:
        """Take a key, or a token, and send the cookie that stands for it."""
        typed = visit.form.get("key", "").strip()
        caller = self._gate.guard.key_holder(visit.request, typed)
        if caller is None:
            refused = "No key and no token that is known here"
            return visit.page("sign_in.html.j2", {"refused": refused}, 403)
        until = expiry_of(typed) if caller.user_id is not None else None
        response = RedirectResponse(PATH, 303)
        set_cookie(visit.request, response, COOKIE, self._gate.sessions.begin(caller, until=until), LASTS)
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
        own = visit.user_id is not None
        query = _list_query(visit)
        if is_id(query.search):
            return RedirectResponse(f"{PATH}/series/{query.search.lower()}", 303)
        found = await self._call(lambda: self._worker.series_list.page(query))
        return visit.page("list.html.j2", list_values(query, found, visit.clock, own=own))

    async def series(self, visit: Visit) -> Response:
        """Show one series, and what would happen if."""
        task_id = visit.request.path_params["task_id"]
        year = _year(visit.query.get("year"))
        stories, audit = self._worker.series_stories, self._worker.context.audit
        story = await self._call(lambda: stories.story(task_id, year=year, user_id=visit.user_id))
        difference, refused, status = await self._difference(visit, story.view.id)
        entry = visit.query.get("entry", "") if visit.sees_all else ""
        done = await self._call(lambda: audit.entry(entry)) if is_id(entry) else None
        values = series_values(story, visit.clock, self._links, difference) | {
            "asked": {name: visit.query.get(name, "") for name in ("try", *FIELDS)},
            "refused": refused,
            "difference": None if difference is None else told(difference),
            "may_write": visit.sees_all,
            "notice": None if done is None else notice_of(done),
        }
        return visit.page("series_live.html.j2", values, status)

    async def _difference(self, visit: Visit, series_id: str) -> tuple[Difference | None, str, int]:
        """Return what an act would come to, where one is asked about; else why it would be refused, and its status."""
        if not visit.query.get("try"):
            return None, "", 200
        try:
            wanted = wanted_from(visit.query, series_id)
            return await self._call(lambda: self._worker.series_actions.look(wanted)), "", 200
        except DatabaseUnavailable:
            raise
        except RecurrenceError as error:
            answer = error_from(error)
            return None, str(answer.body["message"]), answer.status

    async def audit(self, visit: Visit) -> Response:
        """Show who did what."""
        before = _time(visit.query.get("before"))
        entries = await self._call(lambda: self._worker.context.audit.newest(AUDIT_PAGE, before=before))
        return visit.page("audit.html.j2", audit_values(entries, visit.clock, AUDIT_PAGE))


def _part(name: str) -> Handler:
    async def answer(_visit: Visit) -> Response:
        return rendering.part(name)

    return answer


def _list_query(visit: Visit) -> ListQuery:
    asked = visit.query
    user_id = visit.user_id or asked.get("user", "").strip().lower() or None
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


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"before: {text[:ID_LENGTH]!r} is not a time such as 2027-01-31T09:00:00.000Z") from None


def _back(request: Request) -> str:
    """Return the path of ours that a form was sent from."""
    path = request.headers.get("referer", "").partition("://")[2].partition("/")[2]
    return f"/{path}" if path.startswith(PATH[1:]) else PATH
