"""Which parts of the system are there: heartbeats left and read. What they say is decided in heartbeat_rules.py."""

from recurrence_pipeline.monitoring.heartbeat_rules import Heartbeats, as_rows
from recurrence_pipeline.storage.heartbeats import ALIVE, OFF, HeartbeatStore, Part, Process


class Parts:
    """Leaves heartbeats for the processes of this host, and shows those of all."""

    def __init__(self, store: HeartbeatStore, host: str) -> None:
        self._store = store
        self._host = host

    def process(self, part: Part, process_id: str, port: int | None = None) -> Process:
        """Return who leaves heartbeats: a process of this host."""
        return Process(part, self._host, process_id, port)

    def beat(self, process: Process, *, stream: str | None = None) -> Heartbeats:
        """Leave a heartbeat where the last one is not fresh, and return those that were there before.

        `stream` is how its change stream is, if it listens to one.

        Raises:
            DatabaseUnavailable, Transient: the database cannot be worked with.
        """
        found = Heartbeats(*self._store.read())
        own = found.of(process)
        if own is None or own.stream != stream or not found.is_fresh(own):
            self._store.write(process, starting=own is None, stream=stream)
        self._store.remove_old(found.obsolete)
        return found

    def has_workers(self) -> bool:
        """Say whether a worker that stays is alive.

        Raises:
            DatabaseUnavailable, Transient: the database cannot be worked with.
        """
        found = Heartbeats(*self._store.read())
        return any(beat.process.part is Part.WORKER and not found.is_silent(beat) for beat in found.all)

    def streams(self) -> list[bool]:
        """Return whether its change stream is alive, of each process that is alive and listens to one.

        Raises:
            DatabaseUnavailable, Transient: the database cannot be worked with.
        """
        found = Heartbeats(*self._store.read())
        listening = (beat for beat in found.counted if beat.stream not in {None, OFF} and not found.is_silent(beat))
        return [beat.stream == ALIVE for beat in listening]

    def leave(self, process: Process) -> None:
        """Take the heartbeat back: who ends cleanly is not missed."""
        self._store.remove(process)

    def rows(self) -> list[dict[str, object]]:
        """Return the parts that should be there: `{part, where, since, seenAt, standsStill, changeStream}`."""
        return as_rows(Heartbeats(*self._store.read()))
