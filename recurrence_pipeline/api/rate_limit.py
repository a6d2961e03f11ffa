"""How often a caller may ask. Who that is, and whether they may ask at all, is in auth.py."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from recurrence_pipeline.api.errors import failure


class RateLimit:
    """Counts requests by caller, in this process alone."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, caller: str) -> None:
        """Count a request.

        Raises:
            ApiError: 429; it is one too many.
        """
        if self._item is None or self._limiter.hit(self._item, caller):
            return
        reset = self._limiter.get_window_stats(self._item, caller).reset_time
        wait = max(math.ceil(reset - time.time()), 1)
        raise failure("RATE_LIMITED", per_minute=self._item.amount, retry_after=wait)
