"""What tells a program on this machine from a web page in a browser on it, where no key does. Pure.

A browser sends what any page wants sent to any address it can reach, and this machine is one. Nothing keeps it from
that, but it says so, in headers that no page can write itself:

* `Host`: a page whose own name has just been made to mean 127.0.0.1 (DNS rebinding) still has that name there.
* `Origin`: with every POST, and with all that a page of another origin wants to read (Fetch standard, "Origin header").
* `Sec-Fetch-Site`: with the rest, such as images and links (W3C, "Fetch Metadata Request Headers").
"""

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence

HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]\s]+))(?::[0-9]{1,5})?")
"""RFC 9110, section 7.2: a name or an address, and perhaps a port."""
OURS = frozenset({"same-origin", "none"})
"""Our own page, or an address that a person typed."""
SHOWN = 100

Headers = Mapping[str, Sequence[str]]
"""All values of each header, by its name in lower case."""


class WebPages:
    """Knows the names of this machine, and the origins whose pages may ask."""

    def __init__(self, *, names: Collection[str], origins: Collection[str]) -> None:
        self._names = {name.lower() for name in names} | {"localhost"}
        self._origins = frozenset(origins)

    def objection(self, headers: Headers) -> str | None:
        """Say what speaks against a request from loopback; None where nothing does."""
        hosts, origins, sites = (headers.get(name, ()) for name in ("host", "origin", "sec-fetch-site"))
        if not all(map(self._is_ours, hosts)):  # no browser leaves it out, as programs with HTTP/1.0 do
            return f"the header Host has no name of this machine: {_shown(hosts)}"
        if origins:
            own = {f"http://{host}" for host in hosts}
            known = (self._origins | own).issuperset(origins)
            return None if known else f"a page of an origin that is not in ALLOWED_ORIGINS: {_shown(origins)}"
        return None if OURS.issuperset(sites) else f"a page of another origin: {_shown(sites)}"

    def _is_ours(self, host: str) -> bool:
        match = HOST.fullmatch(host)
        name = (match["v6"] or match["name"]).lower() if match else ""
        return name in self._names or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _shown(values: Sequence[str]) -> str:
    return repr(", ".join(values)[:SHOWN])
