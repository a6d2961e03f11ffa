"""What to do with an event whose try failed. No clock, no chance, no storage: callers pass them in and act."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isqrt

from recurrence_pipeline.domain.errors import Permanent, PoisonEvent, RecurrenceError, TaskNotVisibleYet

JITTER = 0.25
"""The largest part of a delay that chance adds to it, so that what failed together is not tried again together."""

LONGEST_DELAY = timedelta(minutes=5)

FURTHEST_RETRY = LONGEST_DELAY * (1 + JITTER)
"""No retry lies further ahead than this. One that does was dated by a clock that was ahead."""

ALONE_BELOW = 32
"""So few suspects are worth looking at one by one."""

_ENOUGH_DOUBLINGS = 67
"""2**67 microseconds are longer than the longest timedelta."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and after how long, a failed event is tried again."""

    max_retries: int
    base_delay: timedelta
    cap: timedelta = LONGEST_DELAY

    def delay(self, attempt: int, jitter: float = 0.0) -> timedelta:
        """Return the wait after failed try `attempt` (1: the first): the base, doubled each time, at most the cap.

        `jitter`, from 0 up to 1, is the part of `JITTER` to add to it.
        """
        factor = 2 ** min(attempt - 1, _ENOUGH_DOUBLINGS)
        return (self.cap if self.base_delay > self.cap // factor else self.base_delay * factor) * (1 + JITTER * jitter)


def group_after_death(size: object) -> int:
    """Return how many of the `size` events that a dead worker held may be held together the next time.

    500, then 22, then 1: halving would find the one to blame as well, and each step waits for a lease to run out.
    A size that is not known is taken for a small one.
    """
    return isqrt(size) if isinstance(size, int) and size > ALONE_BELOW else 1


@dataclass(frozen=True, slots=True)
class RetryAt:
    """The event is due again at `at`, cut to the millisecond."""

    at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The event ends `failed` and waits for a person."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reject:
    """The event ends `rejected`: no further try could go better."""

    reason: str


def after_failure(
    error: RecurrenceError, *, attempt: int, now: datetime, policy: RetryPolicy, jitter: float
) -> RetryAt | DeadLetter | Reject:
    """Decide about an event after its try `attempt` (1: the first) failed with `error`.

    `jitter` is for `RetryPolicy.delay`. A task that is not visible yet is waited for as long as its error says, even
    when the retries are used up, and looked for once more after that, also where the time was over between the look
    and now: only then is it known to be missing.
    """
    if isinstance(error, Permanent):
        return Reject(str(error))
    if isinstance(error, PoisonEvent):
        return DeadLetter(str(error))
    if attempt <= policy.max_retries:
        return RetryAt(_to_millisecond(now + policy.delay(attempt, jitter)))
    if isinstance(error, TaskNotVisibleYet):
        return RetryAt(_to_millisecond(min(max(error.until, now), now + FURTHEST_RETRY)))
    return DeadLetter(str(error))


def _to_millisecond(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
