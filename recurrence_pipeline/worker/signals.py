"""What a signal may interrupt: the work between two batches, never a batch that has begun.

A signal that arrives meanwhile is kept, and delivered when the batch is done, to whoever would have got it: Dagster's
handlers, Python's own, ours. Only the main thread of a process is ever interrupted, so elsewhere nothing is done. What
is given back when work ends early is said where it is held: processor.py, and the leases of a Dagster run.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Keep SIGINT and SIGTERM waiting until the end of the block, and let each of them be heard then."""
    kept: list[int] = []
    restore = _handle(lambda number, _frame: kept.append(number))
    try:
        yield
    finally:
        restore()
        for number in dict.fromkeys(kept):
            signal.raise_signal(number)


class StopRequest:
    """Whether we were asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def asked(self) -> bool:
        """Say whether a signal has come."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program that a signal ended; 0 where none came."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Take the first SIGINT or SIGTERM in the block for a request; a second one acts as it always does."""
    request = StopRequest()

    def heed(number: int, _frame: FrameType | None) -> None:
        request.signal = number
        restore()

    restore = _handle(heed)
    try:
        yield request
    finally:
        restore()


@contextmanager
def restoring_handlers() -> Iterator[None]:
    """Put the handlers of SIGINT and SIGTERM back at the end of the block, whoever has set others in it."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                _set(number, handler)


def _handle(handler: Callable[[int, FrameType | None], Any]) -> Callable[[], None]:
    """Set a handler and return what undoes it, as often as it is called."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    previous = {number: signal.signal(number, handler) for number in SIGNALS}

    def restore() -> None:
        while previous:
            _set(*previous.popitem())

    return restore


def _set(number: int, handler: Any) -> None:
    # None: a handler that was not set from Python, and that cannot be set again from here.
    signal.signal(number, signal.SIG_DFL if handler is None else handler)
