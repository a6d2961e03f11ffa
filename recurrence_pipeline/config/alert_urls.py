"""The addresses in ALERT_URLS, as apprise understands them. What is sent there is monitoring/channels.py's.

apprise is loaded by whoever has an address: it takes 5 MB, in each of the system's processes.
"""

import logging
import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apprise

SEPARATOR = re.compile(r"[\s,]+(?=[A-Za-z0-9]+://)")
"""As in apprise: blanks or commas before the next address; an address may have commas of its own."""

heard = threading.local()
"""Of this thread: `lines`, where somebody sends, takes what apprise tells meanwhile."""


def _hear(record: logging.LogRecord) -> bool:
    """Keep what apprise says for whoever sends in this thread, and let it get no further: it names addresses."""
    lines: list[str] | None = getattr(heard, "lines", None)
    if lines is not None and record.levelno >= logging.WARNING:
        lines.append(record.getMessage())
    return False


logging.getLogger("apprise").addFilter(_hear)
"""A filter, because dictConfig undoes `disabled`. That is where apprise tells why a channel took nothing."""


def parse_alert_urls(addresses: str) -> "list[tuple[str, apprise.NotifyBase]]":
    """Return each address with the plugin of apprise that sends there; nothing is connected yet.

    Raises:
        ValueError: with the end of a sentence that begins with the name of the variable; no address is in it.
    """
    parts = [part for part in SEPARATOR.split(addresses.strip(" \t\r\n,")) if part]
    return [(part, _plugin(place, part)) for place, part in enumerate(parts, 1)]


def _plugin(place: int, address: str) -> "apprise.NotifyBase":
    import apprise

    # Followed, a redirection but 307 and 308 turns what is sent into a GET of nothing, which counts as delivered.
    asset = apprise.AppriseAsset(app_id="recurrence", app_desc="recurrence", secure_logging=True, http_redirects=False)
    plugin = None if re.search(r"\s", address) else apprise.Apprise.instantiate(address, asset=asset)
    if plugin is None:
        raise ValueError(f"holds an address, number {place}, that apprise cannot use; the form is KIND://...")
    return plugin
