"""What a call of the internal API comes to. Pure: sockets, clock and chance are the business of trigger.py.

A trigger ends in a value (`Delivered`, `Queued`, `Lost`) or in an error that says what to do next:

TriggerError
├── Refused         the worker read the request and will never do it: repair the request
│   └── AccessDenied    nobody read it, for a wrong key, address or path: repair the settings
└── Unavailable     no answer, or none that the worker gives: ask again later
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, TypeAlias

from recurrence_pipeline.domain.errors import InvalidInput, RecurrenceError
from recurrence_pipeline.domain.retries import RetryPolicy
from recurrence_pipeline.domain.times import iso
from recurrence_pipeline.domain.vocabulary import CHANGES, Operation

RETRIES = RetryPolicy(2, timedelta(milliseconds=500), cap=timedelta(seconds=10))
"""Of a call, not of an event: what is still undelivered then is queued or lost."""

LONGEST_ASKED_WAIT = timedelta(seconds=10)
"""How much of a `Retry-After` is waited for: somebody waits for us."""

IS_ID = re.compile("[0-9a-fA-F]{24}").fullmatch
MAX_QUOTED = 500
NOT_OURS = "this is no answer of the worker's"


class TriggerError(RecurrenceError):
    """The worker did not do what it was asked for."""

    code: ClassVar[str] = "TRIGGER"


class Refused(TriggerError):
    """Asked again, the worker says the same.

    Attributes:
        status: of the HTTP answer; None where a request could not even be queued.
        message: the worker's words.
        reason: the worker's stable code, such as `ORIGINAL_NOT_FOUND`; None where it gave none.
    """

    code = "REFUSED"

    def __init__(self, message: str, *, status: int | None, reason: str | None = None) -> None:
        super().__init__(f"{status or 'not sent'} {reason or ''}".rstrip() + f": {message}")
        self.message = message
        self.status = status
        self.reason = reason


class AccessDenied(Refused):
    """What answered did not look at the request itself."""

    code = "TURNED_AWAY"


class Unavailable(TriggerError):
    """The worker may be back later. A request that timed out may have been done all the same."""

    code = "UNAVAILABLE"

    def __init__(self, message: str, *, worth_repeating: bool, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.worth_repeating = worth_repeating
        self.retry_after = retry_after
        """The header as it came."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The worker did it; `data` is that of its answer, dates as in JSON.

    It is `{success, operation, taskId, result}`; of an update, reopening or skip `{seriesId, written, changes}`.
    """

    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Queued:
    """The worker was not reached; the event waits in the database until it is back.

    Where the request timed out, the work may have been done before: harmless, since done twice is the same as once.
    """

    event_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Neither the worker nor a database took it: nobody knows of it but the log and whoever reads this."""

    reason: str


Delivery: TypeAlias = Delivered | Queued | Lost


@dataclass(frozen=True, slots=True)
class Trigger:
    """What happened to which task."""

    operation: Operation
    task_id: str
    user_id: str | None = None
    slot: int | None = None
    """Of an update: the first one to change. Of a skip: which one, where it is not the task's."""
    undo: bool = False

    def as_body(self) -> dict[str, Any]:
        """Return it as the contract has it, with what only changes of a series say."""
        body = {"operation": self.operation.value, "taskId": self.task_id, **self.asked()}
        return body if self.user_id is None else body | {"userId": self.user_id}

    def asked(self) -> dict[str, Any]:
        """Return what a change of a series says besides."""
        name = "fromSlot" if self.operation is Operation.UPDATE else "slot"
        slot = {} if self.slot is None else {name: self.slot}
        return slot | ({"undo": True} if self.undo else {})


@dataclass(frozen=True, slots=True)
class Call:
    """One question to the worker. `holds` is what `data` of its answer has."""

    method: str
    path: str
    holds: str
    body: Mapping[str, Any] | None = None
    bad_news: int | None = None
    """A status that is an answer, though no success."""

    def content(self) -> bytes | None:
        """Return the body as JSON.

        Raises:
            InvalidInput: JSON has no way to write a value.
        """
        if self.body is None:
            return None
        try:
            return json.dumps(self.body, default=_as_json, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(f"{self.path}: {error}") from error


def call_for(trigger: Trigger, *, dry_run: bool = False) -> Call:
    """Return the call that delivers a trigger; with `dry_run` that of a change is only looked at.

    Raises:
        Refused: the id cannot stand in a path.
    """
    if trigger.operation in CHANGES:
        if not IS_ID(trigger.task_id):
            message = f"taskId: {trigger.task_id!r:.100} is not an id of 24 hex digits"
            raise Refused(message, status=None, reason=InvalidInput.code)
        path = f"/series/{trigger.task_id}/{trigger.operation.value}"
        return Call("POST", path, "changes", {"dryRun": dry_run, **trigger.asked()})
    return Call("POST", "/tasks/recurrence", "result", trigger.as_body())


def validation_of(task: Mapping[str, Any]) -> Call:
    """Return the call that asks whether a task may recur; dates may be `datetime`s."""
    return Call("POST", "/validate", "valid", {"task": task})


CLEANUP = Call("POST", "/tasks/cleanup", "operations")
HEALTH = Call("GET", "/health", "status", bad_news=503)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    body: bytes
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class NoReply:
    """Nothing came back: no connection, a broken one, or silence."""

    reason: str
    worth_repeating: bool = True


def read(call: Call, reply: Reply | NoReply, *, secret: str | None = None) -> dict[str, Any] | TriggerError:
    """Return the `data` of the worker's answer, or what went wrong; an error never quotes the `secret`."""
    if isinstance(reply, NoReply):
        return Unavailable(reply.reason, worth_repeating=reply.worth_repeating)
    body = _json_object(reply.body)
    data = body.get("data")
    is_done = reply.status == 200 and body.get("success") is True
    if (is_done or reply.status == call.bad_news) and isinstance(data, dict) and call.holds in data:
        return data
    said = {name: _quotable(text, secret) for name, text in body.items() if isinstance(text, str)}
    if reply.status in {408, 429} or reply.status >= 500:
        words = f"{reply.status}: {said.get('message', 'no reason given')}"
        return Unavailable(words, worth_repeating=True, retry_after=reply.retry_after)
    if reply.status >= 400:
        return _refusal(reply.status, said)
    return Unavailable(f"{reply.status}: {NOT_OURS}", worth_repeating=False)


def wait_before_next(
    failure: TriggerError, *, attempt: int, policy: RetryPolicy, now: datetime, jitter: float
) -> timedelta | None:
    """Return how long to wait after try `attempt` (1: the first) before the next; None: there is none.

    The wait is the policy's, with `jitter` (0 to 1) adding up to a quarter, or what `Retry-After` asks for where that
    is longer, up to `LONGEST_ASKED_WAIT`.
    """
    if not isinstance(failure, Unavailable) or not failure.worth_repeating or attempt > policy.max_retries:
        return None
    asked = min(asked_wait(failure.retry_after, now), LONGEST_ASKED_WAIT)
    return max(asked, policy.delay(attempt, jitter))


def asked_wait(header: str | None, now: datetime) -> timedelta:
    """Return what a `Retry-After` asks for: seconds or a date (RFC 9110 10.2.3); nothing where it cannot be read."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:10]), 10**6))
    from email.utils import parsedate_to_datetime  # only few answers have such a header

    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return timedelta()
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(when - now, timedelta())


def is_undelivered(failure: TriggerError) -> bool:
    """Say whether a trigger that ended so may still be processed, if somebody writes it down."""
    return isinstance(failure, (Unavailable, AccessDenied))


def _refusal(status: int, said: Mapping[str, str]) -> Refused:
    """Tell what the worker says of the request from what is said without looking at it.

    A 404 about a task has a code, one about a path has none; a body that is not the worker's is somebody else's.
    """
    code = said.get("code")
    if not {"error", "message"} <= said.keys():
        return AccessDenied(NOT_OURS, status=status)
    was_read = status not in {401, 403} and (status != 404 or code is not None)
    kind = Refused if was_read else AccessDenied
    return kind(said["message"], status=status, reason=code)


def _quotable(text: str, secret: str | None) -> str:
    return (text.replace(secret, "***") if secret else text)[:MAX_QUOTED]


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _as_json(value: object) -> object:
    """Write a date as the application does; one without a zone is taken for UTC, as the database takes it.

    An id of the database is known by the name of its class: its driver is not loaded for a comparison.
    """
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return dict(value)
    if any(kind.__name__ == "ObjectId" for kind in type(value).__mro__):
        return str(value)
    raise TypeError(f"JSON has no way to write {type(value).__name__}")
