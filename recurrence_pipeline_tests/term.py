"""A terminal of any width, for what people see."""

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from recurrence_pipeline_tests import forked


def on_terminal(
    arguments: Sequence[str], environment: Mapping[str, str], *, errors: bool, columns: int = 80, typed: str = ""
) -> str:
    """Run the `recurrence` command on a terminal so many columns wide, and return what it shows, `errors` or not.

    What is `typed` waits until the command asks; it is shown as well.
    """
    ours, its = pty.openpty()
    os.write(ours, typed.encode())
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with Path(os.devnull).open("w") as nowhere:
        err = its if errors else nowhere.fileno()
        process = forked.started(arguments, environment, its, err)
    os.close(its)
    shown = b""
    while part := _read(ours):
        shown += part
    os.close(ours)
    process.join(forked.PATIENCE)
    return shown.decode().replace("\r\n", "\n")


def _read(number: int) -> bytes:
    try:
        return os.read(number, 65536)
    except OSError:  # which is how Linux says that nobody holds the other end any more
        return b""
