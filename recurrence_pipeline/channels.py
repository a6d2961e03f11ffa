"""Where alerts go: mail, chat, webhooks and a hundred more, through apprise. What is said is decided elsewhere.

The address of a channel holds its password or token, so that it is shown nowhere: a channel is called by its place in
ALERT_URLS and its kind, such as `channel 2 (Slack)`.
"""

import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import Protocol

import apprise

logging.getLogger("apprise").addFilter(lambda _record: False)
"""It names addresses that fail; what failed is said by us. A filter, because dictConfig undoes `disabled`."""

SEPARATOR = re.compile(r"[\s,]+(?=[A-Za-z0-9]+://)")
"""As in apprise: blanks or commas before the next address; an address may have commas of its own."""

KINDS = {
    "error": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "ok": apprise.NotifyType.SUCCESS,
}


class Sendable(Protocol):
    """A message, as far as a channel must know it."""

    @property
    def headline(self) -> str:
        """One line."""

    @property
    def body(self) -> str:
        """The text below it."""

    @property
    def severity(self) -> str:
        """One of error, warning, ok."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One address. `id` stays the same as long as the address does, and does not give it away."""

    id: str
    name: str
    _plugin: apprise.NotifyBase = field(repr=False)

    def send(self, message: Sendable) -> bool:
        """Hand one message over; False where it was not taken. Never raises."""
        try:
            kind = KINDS[message.severity]
            return bool(self._plugin.notify(body=message.body, title=message.headline, notify_type=kind))
        except Exception:  # noqa: BLE001 - whatever a plugin raises: an alert that fails must fail nothing else
            return False


def open_channels(addresses: str) -> list[Channel]:
    """Return the channels that ALERT_URLS names; nothing is connected yet.

    Raises:
        ValueError: with the end of a sentence that begins with the name of the variable; no address is in it.
    """
    parts = [part for part in SEPARATOR.split(addresses.strip(" \t\r\n,")) if part]
    return [_channel(place, part) for place, part in enumerate(parts, 1)]


def deliver(
    channels: Sequence[Channel], messages: Mapping[str, Sequence[Sendable]], *, patience: timedelta
) -> dict[str, int]:
    """Send each channel its messages, all channels at the same time; return how many each has taken, by id.

    A channel gets its messages in order, up to the first that it does not take. One that has not answered within
    `patience` is left behind; what it takes after that does not count, and may come again.
    """
    taken = {channel.id: 0 for channel in channels}
    deadline = time.monotonic() + patience.total_seconds()

    def send_all(channel: Channel) -> None:
        for message in messages.get(channel.id, ()):
            if time.monotonic() > deadline or not channel.send(message):
                return
            taken[channel.id] += 1

    threads = [threading.Thread(target=send_all, args=[channel], daemon=True) for channel in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return dict(taken)


def _channel(place: int, address: str) -> Channel:
    asset = apprise.AppriseAsset(app_id="recurrence", app_desc="recurrence", secure_logging=True)
    plugin = None if re.search(r"\s", address) else apprise.Apprise.instantiate(address, asset=asset)
    if plugin is None:
        raise ValueError(f"holds an address, number {place}, that apprise cannot use; the form is KIND://...")
    return Channel(
        blake2b(address.encode(), digest_size=8, person=b"channel").hexdigest(),
        f"channel {place} ({plugin.service_name})",
        plugin,
    )
