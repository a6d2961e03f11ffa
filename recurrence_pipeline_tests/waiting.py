"""Wait for a fact, never for a time."""

import time
from collections.abc import Callable
from datetime import timedelta

PATIENCE = timedelta(seconds=60)

SOONEST, LATEST = 0.01, 0.25
"""In seconds: how long it waits before it looks again. What looks all the time takes the processor from what it waits
for, so that it looks the more seldom, the longer it has waited: by a twentieth of that later than it could."""


def wait_until(fact: Callable[[], object], promise: str, *, timeout: timedelta = PATIENCE) -> None:
    """Return as soon as `fact()` is true; fail with the promise's words where it stays false for `timeout`."""
    begun = time.monotonic()
    while not fact():
        waited = time.monotonic() - begun
        if waited > timeout.total_seconds():
            raise AssertionError(f"not within {timeout.total_seconds():g} s: {promise}")
        time.sleep(min(max(waited / 20, SOONEST), LATEST))
