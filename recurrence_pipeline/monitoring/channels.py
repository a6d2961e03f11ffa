"""Where alerts go: mail, chat, webhooks and a hundred more, through apprise. What is said is decided elsewhere.

The address of a channel holds its password or token, so that it is shown nowhere: a channel is called by its place in
ALERT_URLS and its kind, such as `channel 2 (Slack)`.
"""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import unquote

from recurrence_pipeline.config.alert_urls import heard, parse_alert_urls
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.monitoring.alert_rules import Message

if TYPE_CHECKING:
    import apprise

HIDDEN = "***"
SHORTEST_SECRET = 3
"""Characters: what is shorter than that in an address is part of many words."""
MOST_OF_A_REASON = 300
"""Characters."""

KINDS = {Severity.ERROR: "FAILURE", Severity.WARNING: "WARNING", Severity.INFO: "INFO", Severity.OK: "SUCCESS"}
"""What apprise calls them."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One address. `id` stays the same as long as the address does, and does not give it away."""

    id: str
    name: str
    _plugin: "apprise.NotifyBase" = field(repr=False)
    _secrets: tuple[str, ...] = field(repr=False)

    def send(self, message: Message) -> str | None:
        """Hand one message over; return why it was not taken, None where it was. Never raises."""
        from apprise import NotifyType

        heard.lines = lines = []
        try:
            kind = NotifyType[KINDS[message.severity]]
            if self._plugin.notify(body=message.body, title=message.headline, notify_type=kind):
                return None
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises: an alert that fails must fail nothing else
            lines.append(f"{type(error).__name__}: {error}")
        finally:
            heard.lines = None
        return self._without_secrets("; ".join(lines)) or "it gave no reason"

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return " ".join(text.split())[:MOST_OF_A_REASON]


def open_channels(addresses: str) -> list[Channel]:
    """Return the channels that ALERT_URLS names, as the settings have checked it; nothing is connected yet.

    Raises:
        ValueError: an address is none; see config/alert_urls.py.
    """
    return [
        Channel(
            blake2b(address.encode(), digest_size=8, person=b"channel").hexdigest(),
            f"channel {place} ({plugin.service_name})",
            plugin,
            _secrets_of(address),
        )
        for place, (address, plugin) in enumerate(parse_alert_urls(addresses), 1)
    ]


@dataclass(slots=True)
class SendResult:
    """How many messages a channel has taken, and why not the next one."""

    taken: int = 0
    reason: str | None = None


def deliver(
    channels: Sequence[Channel], messages: Mapping[str, Sequence[Message]], *, patience: timedelta
) -> dict[str, SendResult]:
    """Send each channel its messages, all channels at the same time; return what became of them, by the channel's id.

    A channel gets its messages in order, up to the first that it does not take. One that has not answered within
    `patience` is left behind; what it takes after that does not count, and may come again.
    """
    silent = f"it did not answer within {patience.total_seconds():g} s"
    delivered = {channel.id: SendResult() for channel in channels}
    deadline = time.monotonic() + patience.total_seconds()

    def send_all(channel: Channel) -> None:
        for message in messages.get(channel.id, ()):
            reason = silent if time.monotonic() > deadline else channel.send(message)
            if reason is not None:
                delivered[channel.id].reason = reason
                return
            delivered[channel.id].taken += 1

    threads = [threading.Thread(target=send_all, args=[channel], daemon=True) for channel in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return {
        channel.id: SendResult(found.taken, found.reason or (silent if thread.is_alive() else None))
        for channel, thread in zip(channels, threads, strict=True)
        for found in [delivered[channel.id]]
    }


def _secrets_of(address: str) -> tuple[str, ...]:
    """Return all that an address holds behind its kind, as it stands there and decoded, the longest first."""
    rest = address.partition("://")[2]
    words = {word for text in (rest, unquote(rest)) for word in (text, *re.split(r"[^\w.~+%-]+", text))}
    return tuple(sorted((word for word in words if len(word) >= SHORTEST_SECRET), key=len, reverse=True))
