"""Hosts on one machine: network namespaces with addresses of their own, on a bridge. Linux, and root, for `ip`."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress

BRIDGE = "recurrence0"
ADDRESS = "10.77.23.1"
"""Of this machine on the bridge: here are the databases, Redis and Dagster's daemon."""
FIRST_HOST = 11


class Network:
    """A bridge of this machine and the hosts on it.

    Raises:
        RuntimeError: another run uses it.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = {f"recurrence-{name}": f"10.77.23.{FIRST_HOST + n}" for n, name in enumerate(hosts)}
        self._links = {name: f"rec-{name}"[:15] for name in hosts}

    def __enter__(self) -> "Network":
        self._refuse_where_used()
        self.remove()
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{ADDRESS}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for (namespace, address), link in zip(self._hosts.items(), self._links.values(), strict=True):
            ip("netns", "add", namespace)
            ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            ip("link", "set", link, "master", BRIDGE, "up")
            ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", namespace, "link", "set", "eth0", "up")
            ip("-n", namespace, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def on(self, host: str, command: Sequence[str]) -> list[str]:
        """Return the command that runs a command on a host."""
        return ["ip", "netns", "exec", f"recurrence-{host}", *command]

    def cut_off(self, host: str) -> None:
        """Pull the host's cable: what it sends is lost, and nobody tells it so."""
        ip("link", "set", self._links[host], "down")

    def connect(self, host: str) -> None:
        """Put the host's cable back."""
        ip("link", "set", self._links[host], "up")

    def remove(self) -> None:
        """Remove all of it; also what a run left that was killed."""
        for namespace in self._hosts:
            with suppress(RuntimeError):
                ip("netns", "del", namespace)
        for link in (*self._links.values(), BRIDGE):
            with suppress(RuntimeError):
                ip("link", "del", link)

    def _refuse_where_used(self) -> None:
        for namespace in self._hosts:
            with suppress(RuntimeError):
                if pids := ip("netns", "pids", namespace).split():
                    raise InUse(f"processes {', '.join(pids)} run on {namespace}: another cluster test?")


class InUse(Exception):
    """Another run is at work."""


def ip(*words: str) -> str:
    """Run `ip`, and return what it prints.

    Raises:
        RuntimeError: it failed, with what it says.
    """
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
