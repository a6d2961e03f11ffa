"""The guard at the routes: applies the access rules and the rate limit, and logs who was sent away."""

from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request

from recurrence_pipeline.api.errors import ApiError, forbidden
from recurrence_pipeline.api.limiting import RateLimit
from recurrence_pipeline.api.security import CALLER_HEADERS, Access, Caller, Refused

log = structlog.get_logger(__name__)


class Guard:
    """Its methods are dependencies of routes. `is_user` says whether an id is that of a user, where that counts."""

    def __init__(
        self, access: Access, limit: RateLimit, *, is_user: Callable[[str], Awaitable[bool]] | None = None
    ) -> None:
        self._access = access
        self._limit = limit
        self._is_user = is_user

    async def everything(self, request: Request) -> None:
        """Let in who may ask for everything.

        Raises:
            ApiError: 403 or 429.
        """
        caller = self._known(request)
        if caller.user_id is not None:
            raise self._sent_away("a user's token does not open this", caller=caller.name)

    async def own_tasks(self, request: Request) -> None:
        """Let in users too, who see what is theirs.

        Raises:
            ApiError: 403 or 429.
        """
        caller = self._known(request)
        if caller.user_id is not None and self._is_user is not None and not await self._is_user(caller.user_id):
            raise self._sent_away("the token's user is not in the collection users", caller=caller.name)

    def count(self, request: Request) -> None:
        """Count a request to a path that nobody guards.

        Raises:
            ApiError: 429.
        """
        found = self._identified(request)
        self._limit.count(found.address if isinstance(found, Refused) else found.name)

    def _known(self, request: Request) -> Caller:
        found = self._identified(request)
        if isinstance(found, Refused):
            self._limit.count(found.address)
            raise self._sent_away(found.reason, address=found.address)
        self._limit.count(found.name)
        request.state.caller = found
        return found

    def _identified(self, request: Request) -> Caller | Refused:
        headers = {name: request.headers.getlist(name) for name in CALLER_HEADERS}
        return self._access.identify(request.client.host if request.client else None, headers)

    def _sent_away(self, reason: str, **who: str) -> ApiError:
        log.warning("authentication failed", reason=reason, **who)
        return forbidden(self._access.refusal)


async def known_caller(request: Request) -> Caller:
    """Return whom the guard of the route has let in."""
    caller: Caller = request.state.caller
    return caller
