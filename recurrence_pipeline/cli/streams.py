"""What a command prints to, whatever that is: a pipe that nobody reads any more, nothing at all, a full disk."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper

from recurrence_pipeline.cli.session import FAILED, OK

NOT_READ = 128 + signal.SIGPIPE
"""As a shell reports a program that SIGPIPE ended."""


@dataclass(slots=True)
class Result:
    """The exit code of a command."""

    code: int = OK


@contextmanager
def streams() -> Iterator[Result]:
    """Make stdout and stderr usable, and have the exit code tell where the output did not arrive.

    A stream that was closed (`>&-`) takes what is printed and drops it. What cannot be encoded, such as an argument
    that is no UTF-8, is shown as an escape sequence. Whoever reads the output may stop at any line (`| head`).
    """
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    result = Result()
    try:
        try:
            yield result
        except SystemExit as error:  # which is what Click and rich make of a broken pipe
            if not isinstance(error.__context__, BrokenPipeError):
                raise
            result.code = NOT_READ
        sys.stdout.flush()
    except BrokenPipeError:
        result.code = NOT_READ
    except OSError as error:
        result.code = FAILED
        with suppress(OSError):
            sys.stderr.write(f"recurrence: the output cannot be written: {error.strerror}\n")
    finally:
        _drop_what_is_left()


def _open_closed() -> None:
    """Have something behind the numbers 0 to 2, else the next file that is opened gets what is printed."""
    number = os.open(os.devnull, os.O_RDWR)
    while number <= 2:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 (open as long as we run)


def _drop_what_is_left() -> None:
    """Leave nothing that the interpreter would try to write at its end, and complain of."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
