"""Several threads of which one runs at a time, from one database command to its next, in an order that a test draws.

Who plays, and what must be true in the end, is in test_interleavings.py. The driver's own threads (its monitors) send
nothing that a listener is told of, and run freely.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pymongo import monitoring

from recurrence_pipeline_tests.world import Crash

PATIENCE = 30.0
"""In seconds: a turn takes milliseconds, and a thread that never comes to its end must not stop the tests."""


class Stuck(BaseException):
    """A thread waited for its turn in vain. Not an Exception: the driver would swallow that in a listener."""


class Turns:
    """Hands the turn to one player at a time.

    `order` holds (player, commands): who plays next (by the order of their names), and for how many commands; turns of
    those who have ended fall out. Once it is used up, the first who is still there plays to its end, then the next.
    """

    def __init__(self, order: Sequence[tuple[int, int]]) -> None:
        self._order: Iterator[int] = iter([player for player, commands in order for _ in range(commands)])
        self._changed = threading.Condition()
        self._names: list[str] = []
        self._here: set[str] = set()
        self._waiting: set[str] = set()
        self._playing: str | None = None
        self._me = threading.local()
        self._raised: list[BaseException] = []

    def play(self, programs: Mapping[str, Callable[[], object]]) -> None:
        """Run all programs to their ends, or to their crashes, and raise what else one of them raised."""
        self._names, self._here = sorted(programs), set(programs)
        threads = [threading.Thread(target=self._run, args=item, daemon=True) for item in programs.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                raise Stuck(f"playing: {self._playing}, waiting: {sorted(self._waiting)}")
        for error in self._raised:
            raise error

    def pause(self) -> None:
        """Wait for the next turn of this thread."""
        me: str = self._me.name
        with self._changed:
            self._waiting.add(me)
            self._end_turn()
            if not self._changed.wait_for(lambda: self._playing == me, PATIENCE):
                raise Stuck(f"{me}, while {self._playing} plays")
            self._waiting.discard(me)

    def _run(self, name: str, program: Callable[[], object]) -> None:
        self._me.name = name
        try:
            self.pause()
            program()
        except Crash:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for this thread
            self._raised.append(error)
        finally:
            with self._changed:
                self._here.discard(name)
                self._end_turn()

    def _end_turn(self) -> None:
        """Choose who plays next, once everybody waits: the order is then the same in each run of it."""
        self._playing = None
        if self._here and self._waiting == self._here:
            in_turn = (name for player in self._order if (name := self._names[player]) in self._here)
            self._playing = next(in_turn, min(self._here))
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Death:
    """A process dies at its n-th command (from 1): before it is sent, or once it is done but before that is known."""

    command: int
    done: bool


class Player(monitoring.CommandListener):
    """The commands of one worker: each waits for its turn, and one of them may be the last."""

    def __init__(self) -> None:
        self.has_read_tasks = False
        self.died = False
        self.died_midway = False
        self._turns: Turns | None = None
        self._death: Death | None = None
        self.sent = 0

    def join(self, turns: Turns, death: Death | None = None) -> None:
        """Take turns from now on."""
        self._turns, self._death = turns, death
        self.sent, self.died, self.died_midway, self.has_read_tasks = 0, False, False, False

    def leave(self) -> None:
        """Take no more turns; the dead come back."""
        self._turns, self.has_read_tasks = None, False

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self._turns is None:
            return
        if self.died:
            raise Crash("the dead send nothing")
        self._turns.pause()
        self.sent += 1
        self._die_here(done=False)
        if event.command_name in {"find", "aggregate"}:
            self.has_read_tasks = event.command[event.command_name] == "tasks" or (
                self.has_read_tasks and "lease.owner" in event.command.get("filter", {})
            )

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:  # noqa: ARG002 - the driver's signature
        if self._turns is not None:
            self._die_here(done=True)

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...

    def _die_here(self, *, done: bool) -> None:
        if self._death == Death(self.sent, done):
            self.died, self.died_midway, self.has_read_tasks = True, self.has_read_tasks, False
            raise Crash(f"at command {self.sent}")
