"""Leaving word of a host while a program runs that waits for others: the API. The word is in storage/hosts.py."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

EVERY = timedelta(hours=1)


@contextmanager
def present(tell: Callable[[], None], every: timedelta = EVERY) -> Iterator[None]:
    """Call `tell` now and then, in a thread of its own: a database that is away keeps nobody waiting."""
    ended = threading.Event()

    def go_on_telling() -> None:
        tell()
        while not ended.wait(every.total_seconds()):
            tell()

    threading.Thread(target=go_on_telling, name="presence", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
