"""LOG_FILE: one file that all processes of the system write to, rotated by whichever of them finds it full.

The standard library's handler rotates for one process only: with several, each renames what another has just begun, and
files that are nearly empty push out those that were to be kept. Here every line is written under a lock, on a file of
its own beside the log (the log itself is what moves), which the system drops when a process dies.
"""

import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOCK = ".lock"


class SharedRotatingFile(RotatingFileHandler):
    """A rotating file that several processes, started one by one, may write to at the same time."""

    def __init__(self, path: Path, *, size: int, kept: int) -> None:
        super().__init__(str(path), maxBytes=size, backupCount=kept, encoding="utf-8")
        self._lock_number: int | None = None
        if self._is_file():  # a pipe or a terminal takes lines as they come, and is never rotated
            self._lock_number = os.open(f"{self.baseFilename}{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line to what is the newest file now, beginning a new one where it is full."""
        try:
            with self._locked():
                super().emit(record)
        except OSError:
            self.handleError(record)

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 (the base class's name)
        """Say whether a new file is due; never of a pipe, which Python 3.13 asks for a position that it has not.

        Nor does that version look for the end of the file, which others have written to meanwhile.
        """
        if self._lock_number is None:
            return False
        if self.stream is not None:
            self.stream.seek(0, os.SEEK_END)
        return bool(super().shouldRollover(record))

    def close(self) -> None:
        """Close the file and the lock."""
        super().close()
        if self._lock_number is not None:
            os.close(self._lock_number)
            self._lock_number = None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock_number is None:
            yield
            return
        fcntl.flock(self._lock_number, fcntl.LOCK_EX)
        try:
            if not self._is_newest():
                self._let_go()  # another process has begun a new one; writing opens it
            yield
        finally:
            fcntl.flock(self._lock_number, fcntl.LOCK_UN)

    def _let_go(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self.stream = None

    def _is_file(self) -> bool:
        return self.stream is not None and stat.S_ISREG(os.fstat(self.stream.fileno()).st_mode)

    def _is_newest(self) -> bool:
        try:
            named = Path(self.baseFilename).stat()
        except FileNotFoundError:
            return False
        return self.stream is not None and os.path.samestat(named, os.fstat(self.stream.fileno()))
