"""How a client talks with the worker: what to send, how long to wait, what to write down. Does none of it itself.

The steps of a call are a generator. It is sent what came of each, and returns what the caller asked for; so
one text serves a client that blocks and one that awaits.
"""

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from recurrence_pipeline.client.messages import (
    HEALTH,
    Call,
    Delivered,
    Delivery,
    Lost,
    Queued,
    Refused,
    Trigger,
    TriggerError,
    call_for,
    is_undelivered,
    read,
    wait_before_next,
)
from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.retries import RetryPolicy

T = TypeVar("T")

log = logging.getLogger(__name__)

ONCE = RetryPolicy(0, timedelta())


@dataclass(frozen=True, slots=True)
class Send:
    """Send it; a Reply or a NoReply comes back."""

    call: Call


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long."""

    duration: timedelta


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Keep it in the outbox; the id of the event comes back, or a RecurrenceError."""

    trigger: Trigger


Step: TypeAlias = Send | Wait | Enqueue
Steps: TypeAlias = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class WorkerProtocol:
    """The calls of one client, each as its steps."""

    policy: RetryPolicy
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    secret: str | None
    has_outbox: bool

    def ask(self, call: Call, policy: RetryPolicy | None = None) -> Steps[dict[str, Any]]:
        """Return the data of the answer, or raise a TriggerError."""
        attempt = 1
        while True:
            answer = read(call, (yield Send(call)), secret=self.secret)
            if not isinstance(answer, TriggerError):
                return answer
            wait = wait_before_next(
                answer, attempt=attempt, policy=policy or self.policy, now=self.clock(), jitter=self.chance()
            )
            if wait is None:
                raise answer
            said = {"path": call.path, "attempt": attempt, "reason": str(answer), "wait_s": wait.total_seconds()}
            log.info("worker is asked again: %s", answer, extra=said)
            yield Wait(wait)
            attempt += 1

    def deliver(self, trigger: Trigger) -> Steps[Delivery]:
        """Deliver a trigger, or have it written down, or report it as lost; raise what the worker refused."""
        try:
            return Delivered((yield from self.ask(call_for(trigger))))
        except TriggerError as failure:
            if not is_undelivered(failure) or (isinstance(failure, Refused) and not self.has_outbox):
                raise
            reason = str(failure)
        if self.has_outbox:
            kept = yield Enqueue(trigger)
            if isinstance(kept, str):
                log.warning("trigger queued: %s: %s", kept, reason, extra=trigger.as_body() | {"event_id": kept})
                return Queued(kept, reason)
            if isinstance(kept, InvalidInput):
                raise Refused(str(kept), status=None, reason=kept.code) from kept
            reason = f"{reason}; outbox: {kept}"
        log.error("trigger lost: %s: %s", trigger.as_body(), reason, extra=trigger.as_body() | {"reason": reason})
        return Lost(reason)

    def change(self, trigger: Trigger, *, dry_run: bool) -> Steps[Delivery]:
        """Deliver a change of a series; a dry run is a question, and never written down: the event would do it."""
        if not dry_run:
            return (yield from self.deliver(trigger))
        return Delivered((yield from self.ask(call_for(trigger, dry_run=True))))

    def is_available(self) -> Steps[bool]:
        """Ask once whether the worker is healthy."""
        try:
            health = yield from self.ask(HEALTH, ONCE)
        except TriggerError as error:
            log.info("worker is not available: %s", error)
            return False
        return bool(health["status"] == "healthy")
