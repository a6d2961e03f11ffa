"""A terminal of any width, for what people see."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence


def on_terminal(command: Sequence[str], environment: Mapping[str, str], *, columns: int) -> str:
    """Run a command on a terminal so many columns wide, and return what it shows."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        command, env={**environment, "TERM": "dumb"}, stdin=its, stdout=its, stderr=subprocess.DEVNULL, close_fds=True
    ) as process:
        os.close(its)
        shown = b""
        while part := _read(ours):
            shown += part
        os.close(ours)
        process.wait(timeout=60)
    return shown.decode().replace("\r\n", "\n")


def _read(number: int) -> bytes:
    try:
        return os.read(number, 65536)
    except OSError:  # which is how Linux says that nobody holds the other end any more
        return b""
