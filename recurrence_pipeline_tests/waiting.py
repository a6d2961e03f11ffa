"""Wait for a fact, never for a time."""

import time
from collections.abc import Callable
from datetime import timedelta

PATIENCE = timedelta(seconds=60)


def wait_until(fact: Callable[[], object], promise: str, *, timeout: timedelta = PATIENCE) -> None:
    """Return as soon as `fact()` is true; fail with the promise's words where it stays false for `timeout`."""
    deadline = time.monotonic() + timeout.total_seconds()
    while not fact():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout.total_seconds():g} s: {promise}")
        time.sleep(0.01)
