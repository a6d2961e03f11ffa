"""Says what is to be said about causes of trouble, in the log and on every channel; what, is decided in alert_rules.py.

A message is first put down as pending for each channel, then sent, then struck off. What a channel does not take is
tried again at the next look, for a day. Whoever is cut off between sending and storing the state sends once more: an
alert comes at least once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from pydantic import TypeAdapter, ValidationError

from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.monitoring.alert_rules import Incident, Message, OpenIncident, decide_all
from recurrence_pipeline.monitoring.channels import Channel, deliver

MAX_PENDING = 50
"""Messages for one channel; the oldest go first. A channel that was down for long is not flooded when it comes back."""
PENDING_FOR = timedelta(days=1)
PATIENCE = timedelta(seconds=20)
"""For all channels together: a sensor has 60 s."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """All that is remembered from one look to the next; `position` is how far the log of run failures was read."""

    position: str | None = None
    known: dict[str, OpenIncident] = field(default_factory=dict)
    pending: dict[str, list[Message]] = field(default_factory=dict)

    def as_text(self) -> str:
        """Return it as JSON."""
        return _STATE.dump_json(self).decode()

    def without(self, keys: Collection[str]) -> "State":
        """Return it without these causes, of which nobody shall hear that they are over."""
        return replace(self, known={key: cause for key, cause in self.known.items() if key not in keys})

    @classmethod
    def from_text(cls, text: str | None) -> "State":
        """Read it back; what cannot be read is as good as nothing, and is said again."""
        if not text:
            return cls()
        try:
            return _STATE.validate_json(text)
        except ValidationError:
            log.warning("what was known of alerts cannot be read: what is wrong is said again")
            return cls()


_STATE = TypeAdapter(State)


class Alerts:
    """The channels, and how long a cause that came back is not told again."""

    def __init__(self, channels: Sequence[Channel], *, cooldown: timedelta, patience: timedelta = PATIENCE) -> None:
        self._channels = channels
        self._cooldown = cooldown
        self._patience = patience

    def look(
        self, state: State, incidents: Sequence[Incident], *, unseen: Collection[str] = (), now: datetime
    ) -> tuple[State, list[Message]]:
        """Tell what is new and what is over; return the state to keep, and what was said. Never raises.

        Args:
            state: what the last look returned.
            incidents: every cause that is there now.
            unseen: keys of causes that could not be looked at.
            now: the time.
        """
        known, messages = decide_all(state.known, incidents, unseen=unseen, now=now, cooldown=self._cooldown)
        for message in messages:
            _write_down(message)
        pending = {
            channel.id: [
                *(message for message in state.pending.get(channel.id, ()) if message.at > now - PENDING_FOR),
                *messages,
            ][-MAX_PENDING:]
            for channel in self._channels
        }
        return replace(state, known=known, pending=self._send(pending)), messages

    def say(self, message: Message) -> dict[str, str | None]:
        """Send one message everywhere; return by the channels' names why it was not taken, None where it was."""
        delivered = deliver(self._channels, {c.id: [message] for c in self._channels}, patience=self._patience)
        return {channel.name: delivered[channel.id].reason for channel in self._channels}

    def _send(self, pending: dict[str, list[Message]]) -> dict[str, list[Message]]:
        addressed = [channel for channel in self._channels if pending[channel.id]]
        delivered = deliver(addressed, pending, patience=self._patience)
        left = {channel.id: pending[channel.id][delivered[channel.id].taken :] for channel in addressed}
        for channel in addressed:
            if left[channel.id]:
                log.warning(
                    "alerts not taken, to be sent again",
                    channel=channel.name,
                    alerts=len(left[channel.id]),
                    reason=delivered[channel.id].reason,
                )
        return {channel_id: messages for channel_id, messages in left.items() if messages}


def _write_down(message: Message) -> None:
    write = {Severity.ERROR: log.error, Severity.WARNING: log.warning}.get(message.severity, log.info)
    write(f"alert: {message.title}", reason=message.text, since=message.since.isoformat(), link=message.link)
