"""A key that was entered once: the cookie that stands for it, and the token without which a page's form does nothing.

The cookie is signed with the key, or with the secret of the token, that it stands for: nothing is stored, each process
can read it, and one of a key that is no longer in use opens nothing.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from recurrence_pipeline.api.auth import Caller, key_name
from recurrence_pipeline.api.errors import forbidden
from recurrence_pipeline.config.settings import Settings

COOKIE = "recurrence_session"
FORM_COOKIE = "recurrence_form"
"""The token of whoever needs no key: a page of another origin cannot read it, and so cannot repeat it in a form."""
FIELD = "csrf"
PATH = "/internal/ui"
LASTS = timedelta(hours=12)
USERS = "users"
"""The signer of sessions that stand for a user's token."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who has one, and what a form must repeat."""

    caller: Caller
    csrf: str


class Sessions:
    """Makes and reads sessions."""

    def __init__(self, settings: Settings) -> None:
        self._signers = {f"key {key_name(key)}": _signer(key) for key in settings.api_keys()}
        if settings.jwt_secret is not None:
            self._signers[USERS] = _signer(settings.jwt_secret.get_secret_value().encode())

    def begin(self, caller: Caller, *, until: float | None = None) -> str:
        """Return the cookie of somebody who was let in; `until` is when what they showed expires, in Unix time."""
        import jwt  # noqa: PLC0415 (brings cryptography along: only for who signs in)

        signer = USERS if caller.user_id is not None else caller.name
        ends = int(min(time.time() + LASTS.total_seconds(), until or float("inf")))
        said = {"exp": ends, FIELD: secrets.token_urlsafe(24)}
        said |= {"sub": caller.user_id} if caller.user_id is not None else {}
        return jwt.encode(said, self._signers[signer], "HS256", headers={"kid": signer})

    def read(self, request: Request) -> Session | None:
        """Return the session of a request; None where there is none that is good."""
        import jwt  # noqa: PLC0415 (brings cryptography along: only for who signs in)

        cookie = request.cookies.get(COOKIE, "")
        try:
            signer = jwt.get_unverified_header(cookie).get("kid", "")
            said = jwt.decode(cookie, self._signers[signer], algorithms=["HS256"], options={"require": ["exp", FIELD]})
            # The secret of tokens stands for users only: whoever knows it has not got a key.
            caller = Caller(f"user {said['sub']}", said["sub"]) if signer == USERS else Caller(signer)
        except (jwt.InvalidTokenError, KeyError):
            return None
        return Session(caller, said[FIELD])


def _signer(secret: bytes) -> bytes:
    """Return what signs sessions: known to whoever knows the secret, and of no use elsewhere."""
    return hmac.digest(secret, b"recurrence session", hashlib.sha256)


def form_token(request: Request, session: Session | None) -> str:
    """Return what the forms of a page repeat; where no cookie has it yet, `keep_form_token` sends one."""
    if session is not None:
        return session.csrf
    if not hasattr(request.state, FIELD):
        setattr(request.state, FIELD, request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24))
    token: str = getattr(request.state, FIELD)
    return token


def keep_form_token(request: Request, response: Response) -> None:
    """Send the cookie that the forms of a page are compared with, where a page has any and no session."""
    token = getattr(request.state, FIELD, None)
    if token is not None and request.cookies.get(FORM_COOKIE) != token:
        set_cookie(request, response, FORM_COOKIE, token, LASTS)


def require_own_form(request: Request, session: Session | None, form: Mapping[str, str]) -> None:
    """Make sure that a form was sent by a page of ours.

    Raises:
        ApiError: 403; by a page of another origin, or one that is too old.
    """
    expected = session.csrf if session is not None else request.cookies.get(FORM_COOKIE, "")
    given = form.get(FIELD, "")
    same = bool(expected) and hmac.compare_digest(expected.encode(), given.encode())
    if not same or not _is_same_origin(request):
        raise forbidden("The form is not one of this page, or is too old: load the page again, and repeat it")


def _is_same_origin(request: Request) -> bool:
    """Say whether the browser calls it a request of our own page; programs that are no browsers say nothing."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == "same-origin"
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def set_cookie(request: Request, response: Response, name: str, value: str, lasts: timedelta) -> None:
    """Send a cookie that no script and no other site gets to use."""
    response.set_cookie(
        name,
        value,
        max_age=int(lasts.total_seconds()),
        path=PATH,
        secure=request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https",
        httponly=True,
        samesite="strict",
    )


def sign_out(response: Response) -> None:
    """Have the browser forget the session."""
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")


def expiry_of(token: str) -> float | None:
    """Return when a token that was found good expires, in Unix time; None for never."""
    import jwt  # noqa: PLC0415 (brings cryptography along: only for who signs in)

    claims = jwt.decode(token, options={"verify_signature": False, "verify_aud": False})
    return claims.get("exp")
