"""How many requests are processed together, and when the turn of one that comes now would be: going by the last ones.

Pure: callers pass the time in, in seconds of any clock that only goes on.
"""

import math
from datetime import timedelta

AT_FIRST = 50
"""So many requests are processed together before it is known how long that takes: less than a second nearly always."""
AT_MOST = 500
MANY = 20
"""What fewer requests take is for being a group, more than for being so many."""
A_GROUP = 0.15
"""How much of a request's time those processed together should take: twice as much is left of it for who has waited."""
A_WAIT = 0.7
"""How much of a request's time it may wait for its turn."""


class Pace:
    """Of requests that are answered one group after the other, each within `patience`."""

    def __init__(self, patience: timedelta) -> None:
        self._a_group = patience.total_seconds() * A_GROUP
        self.longest_wait = patience.total_seconds() * A_WAIT
        self.at_once = AT_FIRST
        """How many should be processed together next."""
        self._each = 0.0  # seconds; 0 where nothing is known
        self._promised = 0.0

    def took(self, requests: int, seconds: float, *, answered: bool = True) -> None:
        """Learn from a group how many should be in one; from one that was not answered, only that it took too long."""
        is_slow = seconds > self._a_group
        if answered or is_slow:
            self._each = seconds / requests if requests >= MANY else 0.0
        if is_slow or (answered and requests >= self.at_once // 2):
            fitting = int(requests * self._a_group / max(seconds, 1e-6))
            self.at_once = max(min(fitting, 2 * self.at_once, AT_MOST), 1)

    def come_again(self, now: float, before: int) -> int:
        """Return after how many whole seconds a request should come again that is sent away with so many before it.

        Each has a turn of its own: else all that are sent away at once would be back at once.
        """
        self._promised = max(self._promised, now + before * self._each) + self._each
        return max(math.ceil(self._promised - now), 1)
