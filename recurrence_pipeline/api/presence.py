"""Leaving word now and then while a program runs that waits for others: the API. What word is the caller's."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

EVERY = timedelta(hours=1)

log = structlog.get_logger(__name__)


@contextmanager
def present(tell: Callable[[], None], every: timedelta = EVERY) -> Iterator[None]:
    """Call `tell` now and then, in a thread of its own: a database that is away keeps nobody waiting."""
    ended = threading.Event()

    def go_on_telling() -> None:
        over = False
        while not over:
            try:
                tell()
            except Exception:
                # Or none would ever be left again, and this process would be missed.
                log.exception("word of this process was not left")
            over = ended.wait(every.total_seconds())

    threading.Thread(target=go_on_telling, name="presence", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
