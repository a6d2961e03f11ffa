"""The guard at the routes: applies the access rules and the rate limit, and logs who was sent away."""

import structlog
from starlette.requests import Request

from recurrence_pipeline.api.errors import forbidden
from recurrence_pipeline.api.limiting import RateLimit
from recurrence_pipeline.api.security import Access, Caller, Refused

log = structlog.get_logger(__name__)


class Guard:
    """Its methods are dependencies of routes."""

    def __init__(self, access: Access, limit: RateLimit) -> None:
        self._access = access
        self._limit = limit

    async def everything(self, request: Request) -> None:
        """Let in who may ask for everything.

        Raises:
            ApiError: 403 or 429.
        """
        caller = self._known(request)
        if caller.user_id is not None:
            log.warning("authentication failed", reason="a user's token does not open this", caller=caller.name)
            raise forbidden(self._access.refusal)

    async def own_tasks(self, request: Request) -> None:
        """Let in users too, who see what is theirs.

        Raises:
            ApiError: 403 or 429.
        """
        self._known(request)

    def _known(self, request: Request) -> Caller:
        headers = {name: request.headers.getlist(name) for name in request.headers}
        found = self._access.identify(request.client.host if request.client else None, headers)
        if isinstance(found, Refused):
            self._limit.count(found.address)
            log.warning("authentication failed", reason=found.reason, address=found.address)
            raise forbidden(self._access.refusal)
        self._limit.count(found.name)
        request.state.caller = found
        return found


async def known_caller(request: Request) -> Caller:
    """Return whom the guard of the route has let in."""
    caller: Caller = request.state.caller
    return caller
