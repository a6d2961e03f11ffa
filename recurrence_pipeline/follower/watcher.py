"""One watcher for each process: it listens to a change stream in a thread, notes what to look at, and wakes who looks.

It reads nothing else, writes nothing, and no work depends on it: whoever waits here looks by himself too, seldom while
a stream is `alive`, all the time while none is. Who looks, and at what, is in looks.py and service.py.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

import structlog

from recurrence_pipeline.domain.errors import DatabaseUnavailable, RecurrenceError
from recurrence_pipeline.domain.scan import DeletedOriginal
from recurrence_pipeline.reconciliation.rules import TOLD_WITHIN
from recurrence_pipeline.storage.change_stream import Change, ChangeStream, ChangeStreams, NoChangeStream
from recurrence_pipeline.storage.heartbeats import ALIVE, OFF, OPENING

TELLING = timedelta(milliseconds=30)
"""How long a change of a task is left to whoever tells of it: the event beside it then does the work, once, and the
caller of the API gets what came of it."""

EDITED = TOLD_WITHIN + timedelta(seconds=1)
"""How long an edit is left to whoever tells of it: reconciliation follows none that is younger."""

SHORTEST_REST, LONGEST_REST = timedelta(seconds=1), timedelta(minutes=1)
"""Before a stream is opened again; doubled each time that it cannot be."""

LATE = timedelta(seconds=2)
"""How much later than it should an answer may come before the stream counts as dead: a server that is frozen, say."""

MOST = 10_000
"""Changes of tasks that are noted while nobody takes them. Beyond that, all tasks are walked as without a stream, and
deletions are left to the orphan cleanup."""

UNHEARD = "the server does not answer"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What a stream told of tasks: which changed, which originals are gone, and whether something may have been missed.

    A `gap` is what happened while no stream was open, which only looks find.
    """

    tasks: frozenset[str] = frozenset()
    deleted: frozenset[DeletedOriginal] = frozenset()
    gap: bool = False

    def __bool__(self) -> bool:
        """Say whether there is anything to look at."""
        return bool(self.tasks or self.deleted or self.gap)


class Watcher:
    """Wakes who looks at the queue, and who looks at tasks. `start` begins it; its thread ends with `close`."""

    def __init__(self, streams: ChangeStreams | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._streams = streams
        self._clock = clock
        self._woken = threading.Condition()
        self._queue = False
        self._noted: dict[str | DeletedOriginal, float] = {}
        self._edits: dict[str, float] = {}
        self._gap = False
        self._answered: float | None = None
        self._token: Mapping[str, Any] | None = None
        self._closed = threading.Event()
        self._started = False
        self._reason: str | None = OFF if streams is None else None

    def start(self) -> None:
        """Begin to listen, once; without streams there is nothing to begin."""
        with self._woken:
            if self._streams is None or self._started or self._closed.is_set():
                return
            self._started, self._reason = True, OPENING
        threading.Thread(target=self._listen, args=(self._streams,), name="change-stream", daemon=True).start()

    def close(self) -> None:
        """Stop listening. The thread ends with the answer that it waits for, and keeps nobody waiting."""
        self._closed.set()

    @property
    def alive(self) -> bool:
        """Whether a stream is open, and its server answers."""
        answered = self._answered
        if self._streams is None or answered is None:
            return False
        return self._clock() - answered <= (self._streams.longest_wait + LATE).total_seconds()

    @property
    def state(self) -> str | None:
        """For people: `alive`, or why it is not; None of one that was not started."""
        return ALIVE if self.alive else self._reason

    def ready(self, *, queue: bool = True, tasks: bool = True) -> bool:
        """Say whether a stream told of something to look at in the queue, or among the tasks."""
        return self.wait(0, queue=queue, tasks=tasks)

    def wait(self, seconds: float, *, queue: bool = True, tasks: bool = True) -> bool:
        """Wait until a stream tells of something to look at; say whether it has."""
        end = self._clock() + seconds
        with self._woken:
            while True:
                ripe = self._ripe_in() if tasks else None
                if (queue and self._queue) or ripe == 0:
                    return True
                if (left := end - self._clock()) <= 0:
                    return False
                self._woken.wait(left if ripe is None else min(left, ripe))

    def take_queue(self) -> bool:
        """Say whether the queue is to be looked at, and forget it."""
        with self._woken:
            taken, self._queue = self._queue, False
            return taken

    def take_tasks(self, *, all_of_them: bool = False) -> Told:
        """Return which tasks are to be looked at, and forget them. Those of this moment stay, unless all are wanted."""
        now = self._clock()
        before = now - (0.0 if all_of_them else TELLING.total_seconds())
        with self._woken:
            ripe = [noted for noted, at in self._noted.items() if at <= before]
            for noted in ripe:
                del self._noted[noted]
            settled = [task_id for task_id, at in self._edits.items() if at <= now - EDITED.total_seconds()]
            for task_id in settled:
                del self._edits[task_id]
            gap, self._gap = self._gap, False
        deleted = frozenset(each for each in ripe if isinstance(each, DeletedOriginal))
        return Told(frozenset(each for each in (*ripe, *settled) if isinstance(each, str)), deleted, gap)

    def give_back(self, told: Told) -> None:
        """Note again what was taken, and could not be looked at."""
        with self._woken:
            self._noted = {**dict.fromkeys((*told.tasks, *told.deleted), float("-inf")), **self._noted}
            self._gap |= told.gap

    def _ripe_in(self) -> float | None:
        """Return in how many seconds there is a task to look at, 0 for now, None where there is none."""
        if self._gap:
            return 0
        waits = ((self._noted.values(), TELLING), (self._edits.values(), EDITED))
        firsts = [first + wait.total_seconds() for times, wait in waits for first in islice(times, 1)]
        return max(min(firsts) - self._clock(), 0) if firsts else None

    def _listen(self, streams: ChangeStreams) -> None:
        """Keep a stream open until closed; a thread that ended otherwise would be missed by nobody."""
        rest = SHORTEST_REST
        while not self._closed.is_set():
            try:
                self._follow(streams.open(self._token))
                return
            except RecurrenceError as error:
                outage = isinstance(error, DatabaseUnavailable) and not isinstance(error, NoChangeStream)
                answered = self._lost(str(error), goes_on=outage)
            except Exception as error:  # noqa: BLE001 (it is said, and tried again)
                answered = self._lost(f"{type(error).__name__}: {error}", goes_on=False)
            rest = SHORTEST_REST if answered else min(2 * rest, LONGEST_REST)
            self._closed.wait(rest.total_seconds())

    def _follow(self, stream: ChangeStream) -> None:
        """Note what a stream tells of, until closed. One that goes on behind another's token has missed nothing."""
        gap = self._token is None
        try:
            while not self._closed.is_set():
                change = stream.next()
                self._heard(stream, change, gap=gap)
                gap = False
        finally:
            with suppress(Exception):  # our client may be closed by now
                stream.close()

    def _heard(self, stream: ChangeStream, change: Change | None, *, gap: bool) -> None:
        with self._woken:
            if self._answered is None:
                log.info("change stream open", missed="perhaps something" if gap else "nothing")
                self._queue = True
            self._gap |= gap
            self._token, self._answered, self._reason = stream.token, self._clock(), UNHEARD
            if change is not None:
                self._note(change)
            self._woken.notify_all()

    def _note(self, change: Change) -> None:
        noted = change.deleted or change.task_id
        if noted is None:
            self._queue = True
        elif len(self._noted) + len(self._edits) < MOST:
            self._noted.setdefault(noted, self._clock())
            if change.is_edit and change.task_id is not None:
                self._edits.pop(change.task_id, None)  # the last one counts
                self._edits[change.task_id] = self._clock()
        else:
            self._gap = True

    def _lost(self, reason: str, *, goes_on: bool) -> bool:
        """Note why there is no stream; return whether there was one. Where it `goes_on`, nothing has been missed."""
        was_alive = self._answered is not None
        if (was_alive or self._reason != reason) and not self._closed.is_set():
            log.info("no change stream: whoever waits looks by himself", reason=reason)
        with self._woken:
            self._answered, self._reason = None, reason
            self._token = self._token if goes_on else None
            self._woken.notify_all()
        return was_alive
