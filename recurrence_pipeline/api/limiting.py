"""The rate limit: so many requests of one caller in any minute."""

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
        raise failure(429, "RATE_LIMITED", f"More than {self._item.amount} requests in a minute", retry_after=wait)
