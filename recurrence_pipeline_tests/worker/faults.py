"""A client whose commands fail where a test wants it: each fault is armed the moment its command is about to be sent.

The server does the failing (MongoDB's `failCommand` fail point), so that the driver and everything above it are the
real ones. What is done with it is in test_faults.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient, monitoring

from recurrence_pipeline.storage.documents import Document

APPLICATION = "to-be-failed"
"""The name under which the failing client is known to the server; all others are spared."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the client: its place among all that it sent, its name, its collection, and its content."""

    place: int
    name: str
    collection: str
    content: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.place}: {self.name} {self.collection}"


Choice = Callable[[Command], bool]


def at(place: Command) -> Choice:
    """Pick the one command that is sent in this place."""
    return lambda command: command.place == place.place


def from_then_on(place: Command) -> Choice:
    """Pick this command and all after it."""
    return lambda command: command.place >= place.place


def alike(kind: Command) -> Choice:
    """Pick all of this name to this collection."""
    return lambda command: (command.name, command.collection) == (kind.name, kind.collection)


class Faults(monitoring.CommandListener):
    """Keeps what a client sends, and makes the commands fail that `strikes` picks."""

    def __init__(self, server: MongoClient[Document]) -> None:
        self.sent: list[Command] = []
        self.struck: list[Command] = []
        self.troubles: list[Exception] = []
        self._server = server
        self._strikes: Choice = lambda _: False
        self._fault: Mapping[str, Any] = {}

    def plan(self, fault: Mapping[str, Any], strikes: Choice) -> None:
        """Begin counting anew, and meet each command that `strikes` picks with the fault."""
        self.sent, self.struck = [], []
        self._fault, self._strikes = fault, strikes

    def heal(self) -> None:
        """Let everything work again."""
        self._strikes = lambda _: False
        self._server.admin.command("configureFailPoint", "failCommand", mode="off")

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        name = event.command_name
        command = Command(len(self.sent), name, str(event.command.get(name)), event.command)
        self.sent.append(command)
        if self._strikes(command):
            self.struck.append(command)
            data = {"failCommands": [name], "appName": APPLICATION, **self._fault}
            try:
                self._server.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=data)
            except Exception as error:  # noqa: BLE001 - the driver would print it and go on
                self.troubles.append(error)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...
