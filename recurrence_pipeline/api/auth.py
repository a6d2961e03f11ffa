"""Who asks, whether they may, and how often. The rules decide on values: the socket's address and the headers.

* A key, where keys are configured, opens everything; without one nothing is open, not even to loopback.
* Where none is configured, loopback is open: by the address of the socket, and to programs, not to the web pages in a
  browser there (web_pages.py). What a proxy says of its client counts only if TRUSTED_PROXIES names that proxy.
* A user's token (HS256, claim `_id`), where JWT_SECRET is configured, opens what is read of the user's own tasks. It
  comes in a header; for a calendar it may stand in the address, for calendar programs have nothing else.
"""

import hashlib
import hmac
import ipaddress
import re
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from starlette.requests import Request

from recurrence_pipeline.api.errors import ApiError, forbidden
from recurrence_pipeline.api.rate_limit import RateLimit
from recurrence_pipeline.api.schemas import HEX
from recurrence_pipeline.api.web_pages import Headers, WebPages
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ConfigurationError

IS_ID = re.compile(HEX).fullmatch
KEY_HEADER = "x-internal-api-key"
LOOPBACK = frozenset({"127.0.0.1", "::1"})
"""An IPv4 address that comes over an IPv6 socket (`::ffff:127.0.0.1`) is read as what it is."""
IN_ADDRESS = "token"
UNKNOWN = "unknown"
SHORTEST_SECRET = 32
"""In bytes; RFC 7518, section 3.2: a key for HS256 has at least as many bits as its hash."""
CALLER_HEADERS = (KEY_HEADER, "authorization", "x-forwarded-for", "host", "origin", "sec-fetch-site")
"""The headers that say who asks."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a name for the log and the rate limit, and the one user whose tasks they may see (None: all)."""

    name: str
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class AccessRefused:
    """Nobody we know. `reason` is for the log: an answer that told it would help to guess."""

    address: str
    reason: str


class Authenticator:
    """The access rules that the settings make.

    Raises:
        ConfigurationError: JWT_SECRET can be guessed.
    """

    def __init__(self, settings: Settings) -> None:
        keys = settings.api_keys()
        self._keys = {_digest(key): key_name(key) for key in keys}
        self._secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
        self._proxies = [ipaddress.ip_network(proxy) for proxy in settings.trusted_proxies]
        self._required = ["exp"] if settings.jwt_require_exp else []
        self._pages = WebPages(names=settings.host, origins=settings.allowed_origins)
        self.refusal = "Invalid internal API key" if keys else "Internal API access restricted"
        self.remarks: list[str] = []
        if self._secret and (size := len(self._secret.encode())) < SHORTEST_SECRET:
            remark = f"JWT_SECRET: {size} bytes can be guessed, {SHORTEST_SECRET} cannot"
            if not settings.jwt_secret_allow_short:
                raise ConfigurationError(f"{remark} (JWT_SECRET_ALLOW_SHORT=true has it accepted)")
            self.remarks.append(remark)
            from jwt.warnings import InsecureKeyLengthWarning  # noqa: PLC0415 (as below)

            warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)  # once is enough, not for each token

    @property
    def key_names(self) -> list[str]:
        """The names of the keys."""
        return list(self._keys.values())

    def identify(self, peer: str | None, headers: Headers) -> Caller | AccessRefused:
        """Say who asks, from the address of the socket and the headers."""
        address = self.address(peer, headers.get("x-forwarded-for", ()))
        keys = headers.get(KEY_HEADER, ())
        if self._keys and keys:
            name = self._key(keys)
            return Caller(f"key {name}") if name else AccessRefused(address, "wrong key")
        if self._secret and (token := _bearer(headers.get("authorization", ()))) is not None:
            return self._user(token, address)
        if self._keys:
            return AccessRefused(address, "no key")
        if address not in LOOPBACK:
            return AccessRefused(address, "no key is set, and this is not loopback")
        objection = self._pages.objection(headers)
        return AccessRefused(address, objection) if objection else Caller(address)

    @property
    def has_keys(self) -> bool:
        """Whether there is a key, or a secret of tokens."""
        return bool(self._keys or self._secret)

    def holder(self, typed: str) -> Caller | None:
        """Return who has a key, or a token, that a person typed; None for nobody that is known."""
        name = self._key([typed.encode().decode("latin-1")])
        if name is not None:
            return Caller(f"key {name}")
        found = self._user(typed, UNKNOWN) if self._secret else None
        return found if isinstance(found, Caller) else None

    def address(self, peer: str | None, forwarded: Sequence[str] = ()) -> str:
        """Return the address of whoever asks: the peer's or, behind trusted proxies, the last that none of them has."""
        if peer is None:
            return UNKNOWN
        address = peer
        hops = [hop.strip() for line in forwarded for hop in line.split(",")]
        while hops and self._is_proxy(address):
            address = hops.pop()
        return str(_parsed(address) or UNKNOWN)

    def _is_proxy(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._proxies)

    def _key(self, given: Sequence[str]) -> str | None:
        """Return the name of the key that was given; every key is compared, so that the time tells nothing."""
        if len(given) != 1:
            return None
        digest = _digest(given[0].encode("latin-1"))
        names = [name for key, name in self._keys.items() if hmac.compare_digest(key, digest)]
        return names[0] if names else None

    def _user(self, token: str, address: str) -> Caller | AccessRefused:
        import jwt  # noqa: PLC0415 (brings cryptography along: only where there is a secret)

        try:
            claims = jwt.decode(
                token,
                self._secret or "",
                algorithms=["HS256"],
                options={"verify_aud": False, "require": self._required},
            )
        except jwt.InvalidTokenError as error:
            return AccessRefused(address, f"bad token: {type(error).__name__}")
        user_id = claims.get("_id")
        if not isinstance(user_id, str) or not IS_ID(user_id):
            return AccessRefused(address, "bad token: its claim _id is no id")
        return Caller(f"user {user_id.lower()}", user_id.lower())


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def key_name(key: bytes) -> str:
    """Return what a key is called in logs: 8 hex digits of a hash, which say nothing of a key worth its name."""
    return hashlib.blake2b(key, digest_size=4, person=b"key name").hexdigest()


def _digest(key: bytes) -> bytes:
    """Return 32 bytes to compare in place of a key: equally long, whatever the key's length."""
    return hashlib.sha256(key).digest()


def _bearer(given: Sequence[str]) -> str | None:
    """Return the token, None where there is none at all."""
    scheme, _, token = (given[0] if given else "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


log = structlog.get_logger(__name__)


class AuthDependencies:
    """Its methods are what routes ask first. `is_user` says whether an id is that of a user, where that counts."""

    def __init__(
        self, access: Authenticator, limit: RateLimit, *, is_user: Callable[[str], Awaitable[bool]] | None = None
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
        await self._require_user(self._known(request))

    async def own_calendar(self, request: Request) -> None:
        """Let in users too, whose token may stand in the address where no header says who asks.

        Raises:
            ApiError: 403 or 429.
        """
        await self._require_user(self._known(request, request.query_params.get(IN_ADDRESS)))

    async def visitor(self, request: Request, known: Caller | None, *, everything: bool) -> Caller:
        """Let in whoever looks at pages: by a session, which says who that is, or as everywhere.

        Raises:
            ApiError: 403 or 429.
        """
        if known is None:
            caller = self._known(request)
        else:
            self._limit.count(known.name)
            request.state.caller = caller = known
        if everything and caller.user_id is not None:
            raise self._sent_away("a user's token does not open this", caller=caller.name)
        await self._require_user(caller)
        return caller

    @property
    def has_keys(self) -> bool:
        """Whether there is anything to sign in with."""
        return self._access.has_keys

    def key_holder(self, request: Request, typed: str) -> Caller | None:
        """Return who has this key, or this token; None for nobody that is known."""
        found = self._access.holder(typed)
        if found is None:
            log.warning(
                "authentication failed",
                reason="signing in to the pages",
                address=self._access.address(_peer(request), request.headers.getlist("x-forwarded-for")),
            )
        return found

    async def _require_user(self, caller: Caller) -> None:
        if caller.user_id is not None and self._is_user is not None and not await self._is_user(caller.user_id):
            raise self._sent_away("the token's user is not in the collection users", caller=caller.name)

    def count(self, request: Request) -> None:
        """Count a request to a path that nobody guards.

        Raises:
            ApiError: 429.
        """
        found = self._identified(request)
        self._limit.count(found.address if isinstance(found, AccessRefused) else found.name)

    def _known(self, request: Request, token: str | None = None) -> Caller:
        found = self._identified(request, token)
        if isinstance(found, AccessRefused):
            self._limit.count(found.address)
            raise self._sent_away(found.reason, address=found.address)
        self._limit.count(found.name)
        request.state.caller = found
        return found

    def _identified(self, request: Request, token: str | None = None) -> Caller | AccessRefused:
        headers = {name: request.headers.getlist(name) for name in CALLER_HEADERS}
        if token is not None and not headers["authorization"]:
            headers["authorization"] = [f"Bearer {token}"]
        return self._access.identify(_peer(request), headers)

    def _sent_away(self, reason: str, **who: str) -> ApiError:
        log.warning("authentication failed", reason=reason, **who)
        return forbidden(self._access.refusal)


def _peer(request: Request) -> str | None:
    return request.client.host if request.client else None


def caller_of(request: Request) -> Caller:
    """Return whom the guard of the route has let in."""
    caller: Caller = request.state.caller
    return caller
