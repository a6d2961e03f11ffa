"""Which part of the system stands still as a whole, by the heartbeats that each leaves. Pure: nothing is read or sent.

The parts watch each other: Dagster, in a tick of its alert sensor, the processes of the API and the workers that stay;
the processes of the API Dagster and the workers. All times are the database's: the clocks of hosts do not matter.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from recurrence_pipeline.domain.times import lasting
from recurrence_pipeline.monitoring.alert_rules import Incident
from recurrence_pipeline.storage.heartbeats import Heartbeat, Part, Process

EVERY = timedelta(minutes=1)
FRESH = timedelta(seconds=45)
"""A younger heartbeat is not repeated: a sensor that ticks each half minute writes once a minute as well."""
SILENT_AFTER = timedelta(minutes=3)
"""Two in a row may come late, by a slow database or a tick that takes its whole minute; the third one may not."""
WARM_UP = timedelta(minutes=5)
"""How long whoever has just started, or was frozen itself, says nothing: after a power cut all parts were silent, and
they do not come back at the same time."""
FORGOTTEN_AFTER = timedelta(days=2)
"""Containers get a new name at each start, and a part may be given up for good."""
REMOVED_AFTER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """All heartbeats that are stored, and the time of the database when they were read."""

    now: datetime
    all: tuple[Heartbeat, ...] = ()

    @property
    def counted(self) -> list[Heartbeat]:
        """Those of parts that should be there: without the forgotten, and those in whose place another has come."""
        return [beat for beat in self.all if beat.key not in self.forgotten and not self._is_replaced(beat)]

    @property
    def obsolete(self) -> list[Heartbeat]:
        """Those that say nothing any more."""
        return [beat for beat in self.all if self.now - beat.seen > REMOVED_AFTER or self._is_replaced(beat)]

    @property
    def forgotten(self) -> set[str]:
        """The keys of causes that are neither there nor over: nobody waits for these parts any more."""
        return {beat.key for beat in self.all if self.now - beat.seen > FORGOTTEN_AFTER}

    def of(self, process: Process) -> Heartbeat | None:
        """Return the last heartbeat of a process, None where it has left none lately: it has just started."""
        for beat in self.all:
            if beat.process == process and beat.since <= self.now and not self.is_silent(beat):
                return beat
        return None

    def is_watchful(self, process: Process) -> bool:
        """Say whether a process may judge others: it has run for long enough, and was not kept from looking just now.

        A database that was away for two minutes kept all from leaving heartbeats, and whoever looks first sees it.
        """
        own = self.of(process)
        return own is not None and self.now - own.since >= WARM_UP and self.now - own.seen <= SILENT_AFTER / 2

    def is_fresh(self, beat: Heartbeat) -> bool:
        """Say whether it need not be repeated yet; one that lies ahead was dated by a clock that was set back since."""
        return timedelta(0) <= self.now - beat.seen < FRESH

    def is_silent(self, beat: Heartbeat) -> bool:
        """Say whether who left it stands still."""
        return self.now - beat.seen > SILENT_AFTER

    def _is_replaced(self, beat: Heartbeat) -> bool:
        """Say whether another of its kind has begun on its host since: it was killed, and started again.

        One that is frozen while another on its host is started again looks the same.
        """
        mine = beat.process
        return (
            mine.part is not Part.DAGSTER
            and self.is_silent(beat)
            and any(
                (other.process.part, other.process.host) == (mine.part, mine.host)
                and other.since > beat.seen
                and not self.is_silent(other)
                for other in self.all
            )
        )


def stand_still(found: Heartbeats, watcher: Part, link: str) -> list[Incident]:
    """Return the causes of an alert: the other parts that stand still."""
    others = [beat for beat in found.counted if beat.process.part is not watcher]
    return [_incident(beat, found.now, link) for beat in others if found.is_silent(beat)]


def as_rows(found: Heartbeats) -> list[dict[str, object]]:
    """Return the parts as health shows them: `{part, where, since, seenAt, standsStill, changeStream}`."""
    return [
        {
            "part": beat.process.part.value,
            "where": beat.process.where,
            "since": beat.since,
            "seenAt": beat.seen,
            "standsStill": found.is_silent(beat),
            "changeStream": beat.stream,
        }
        for beat in sorted(found.counted, key=lambda beat: beat.process.name)
    ]


def _incident(beat: Heartbeat, now: datetime, link: str) -> Incident:
    ago, where = lasting(now - beat.seen), beat.process.where
    match beat.process.part:
        case Part.DAGSTER:
            title = "Dagster stands still"
            text = (
                f"alert_sensor has not ticked for {ago}; it last did on {where}. No event is processed and no other "
                "alert is sent while dagster-daemon or the code server stands still: see their logs, and restart them."
            )
        case Part.API:
            title = f"the API on {where} stands still"
            text = (
                f"No sign of life for {ago}, and it was not stopped: it was killed, is frozen, or does not "
                "reach the database. Restart it."
            )
        case Part.WORKER:
            title = f"the worker on {where} stands still"
            text = (
                f"`recurrence process --follow` has shown no sign of life for {ago}, and it was not stopped: it was "
                "killed, is frozen, or does not reach the database. Restart it."
            )
    return Incident(beat.key, title, text, link, beat.seen)
