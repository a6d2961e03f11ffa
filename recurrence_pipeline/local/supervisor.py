"""Programs that run beside us: watched, quoted when they fail, stopped together. Which programs is said elsewhere."""

import errno
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FrameType

from recurrence_pipeline.domain.errors import ConfigurationError, DatabaseUnavailable
from recurrence_pipeline.local import processes

Process = subprocess.Popen[bytes]
LAST_LINES = 15
STOP_PATIENCE = timedelta(seconds=15)
"""How long programs may take to end after they are asked to; then they are killed."""


AT_START = 0.03
"""In seconds, between two looks whether what is starting is there: people wait for it."""

PAUSES = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=25))
"""Before a program that ended is started again, the first time, the second and the third; there is no fourth."""
STEADY = timedelta(minutes=30)
"""After so long what ended a program before does not count any more."""


class PortTaken(DatabaseUnavailable):
    """A program could not listen, because another has its port."""


class Stopped(BaseException):
    """We were told to stop, by this signal. Not an `Exception`: nothing that handles errors shall take it for one."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into `Stopped`; later ones must not disturb the stopping.

    Only the main thread can do this. SIGINT stops us even where a shell that started us in the background has set it to
    be ignored; and the programs we start do not inherit that, because handlers end at `exec`.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in previous:
            signal.signal(each, lambda *_: None)
        raise Stopped(number)

    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else `nohup` started us
        wanted.append(signal.SIGHUP)
    previous = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@dataclass(slots=True, eq=False)
class ManagedProcess:
    """A program that runs beside us: its name for people, its process, the file it prints to, how it is launched.

    What is changed in `environment` counts when it is launched again.
    """

    name: str
    process: Process
    log: Path
    launch: Callable[[], Process]
    environment: dict[str, str] = field(default_factory=dict)
    begun: int = 0
    """How long its log was before."""

    @classmethod
    def start(
        cls, name: str, command: Sequence[str], *, cwd: Path, log: Path, environment: Mapping[str, str]
    ) -> "ManagedProcess":
        """Start it as the leader of a process group that dies with us."""
        variables = dict(environment)

        def launch() -> Process:
            with log.open("ab") as output:
                return processes.start(command, cwd=cwd, output=output, environment=variables)

        begun = log.stat().st_size if log.exists() else 0
        return cls(name, launch(), log, launch, variables, begun)

    def start_again(self) -> None:
        """Kill what is left of it, children included, and launch it anew."""
        processes.kill(self.process)
        self.process = self.launch()

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            PortTaken: it has ended, because another program has its port.
            DatabaseUnavailable: it has ended; the text has its last lines.
        """
        status = self.process.poll()
        if status is not None:
            taken = os.strerror(errno.EADDRINUSE).lower() in self.printed().lower()
            raise (PortTaken if taken else DatabaseUnavailable)(
                f"{self.name} ended unexpectedly, with status {status}\n{self.last_lines()}"
            )

    def printed(self) -> str:
        """Return all that it has printed since it was started first."""
        with self.log.open("rb") as log:
            log.seek(self.begun)
            return log.read().decode(errors="replace")

    def last_lines(self) -> str:
        """Return the last that it printed, and where the rest is."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        except OSError as error:
            return f"its log cannot be read: {error}"
        return "\n".join([f"The last lines of {self.log}:", *(lines or ["(nothing)"])])


class Supervisor:
    """Starts programs again that ended, after a pause that grows. One that ends too often ends everything."""

    def __init__(
        self,
        programs: Sequence[ManagedProcess],
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._programs = programs
        self._say = say
        self._clock = clock
        self._wait = wait
        self._ended: dict[ManagedProcess, list[float]] = {program: [] for program in programs}

    def look(self) -> bool:
        """Start again what has ended since the last look, and return whether anything had.

        Raises:
            DatabaseUnavailable: a program ended once more than there are pauses; the text has its last lines.
        """
        ended = [program for program in self._programs if program.process.poll() is not None]
        for program in ended:
            self._start_again(program)
        return bool(ended)

    def _start_again(self, program: ManagedProcess) -> None:
        now = self._clock()
        ended = [before for before in self._ended[program] if now - before < STEADY.total_seconds()]
        if len(ended) == len(PAUSES):
            raise DatabaseUnavailable(
                f"{program.name} was started again {len(ended)} times, and ended each time; "
                f"the last time with status {program.process.poll()}\n{program.last_lines()}"
            )
        self._ended[program] = [*ended, now]
        pause = PAUSES[len(ended)].total_seconds()
        self._say(
            f"{program.name} ended unexpectedly, with status {program.process.poll()}; it is started again in "
            f"{pause:g} s ({program.log} says why)"
        )
        self._wait(pause)
        program.start_again()


def stop(
    programs: Sequence[ManagedProcess],
    *,
    settled: Callable[[], bool] | None = None,
    patience: timedelta = STOP_PATIENCE,
) -> None:
    """Ask all of them, and their children, to end; wait; and kill what is left of their process groups.

    Children can outlive the program that started them, and a program can have nothing that it must still do:
    `settled`, where it is given, says whether there is anything to wait for.
    """

    def all_ended() -> bool:
        return all(program.process.poll() is not None for program in programs)

    for program in programs:
        processes.interrupt(program.process)
    processes.poll(settled or all_ended, patience)
    for program in programs:
        processes.kill(program.process)


def wait_for(
    fact: Callable[[], object],
    what: str,
    *,
    programs: Iterable[ManagedProcess],
    asked: ManagedProcess,
    timeout: timedelta,
) -> None:
    """Return as soon as `fact()` is true.

    Raises:
        DatabaseUnavailable: one of the programs ended; or it stays false for `timeout`, which the last lines of `asked`
            may explain.
    """

    def true_or_failed() -> bool:
        if fact():
            return True
        for program in programs:
            program.check()
        return False

    if not processes.poll(true_or_failed, timeout, pause=AT_START):
        raise DatabaseUnavailable(f"{what} within {timeout.total_seconds():g} s\n{asked.last_lines()}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only one to hold this lock file, which is made, with its folder, where it is missing.

    The kernel holds the lock for us and lets it go however we die: a file left behind locks nobody out.

    Raises:
        ConfigurationError: somebody else has it, or it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    except OSError as error:
        raise ConfigurationError(f"{path.parent} cannot be used: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip()
            raise ConfigurationError(f"{path.parent} is in use by process {holder}: stop that one first") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
