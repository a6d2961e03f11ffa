"""A small HTTP server on a socket that answers as a script says: the worker, or what a client may meet in its place."""

import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE = 30.0
_PORTS = iter(random.sample(range(20_000, 32_000), 12_000))


@dataclass(frozen=True, slots=True)
class Heard:
    """A request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class StubServer(ThreadingHTTPServer):
    """Meets its first request with the first of its reactions, and all that come after the last with that one."""

    daemon_threads = False  # they are joined at the end: no socket stays open

    def __init__(self) -> None:
        self.reactions: list[Reaction] = [answers(500)]
        self.heard: list[Heard] = []
        self.ending = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def will(self, *reactions: "Reaction") -> None:
        """Set what it does."""
        self.reactions = list(reactions)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: that a client hangs up is part of many tests."""


Reaction = Callable[["_Handler"], None]


class _Handler(BaseHTTPRequestHandler):
    server: StubServer
    protocol_version = "HTTP/1.1"

    def _meet(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        heard = Heard(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(content) if content else None,
        )
        reaction = self.server.reactions[min(len(self.server.heard), len(self.server.reactions) - 1)]
        self.server.heard.append(heard)
        reaction(self)

    do_GET = do_POST = _meet  # noqa: N815 - the names are the base class's

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def answers(status: int, body: object = b"", **headers: str) -> Reaction:
    """Answer at once: bytes as they are, other values as JSON; a header's name has _ for -."""

    def react(handler: _Handler) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if status != 204:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if status != 204:
            handler.wfile.write(content)

    return react


def hangs(handler: _Handler) -> None:
    """Take the request and never answer."""
    handler.server.ending.wait(PATIENCE)
    handler.close_connection = True


def drops(handler: _Handler) -> None:
    """Take the request and hang up."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def breaks_off(handler: _Handler) -> None:
    """Hang up in the middle of an answer."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"success": tr')
    drops(handler)


def babbles(handler: _Handler) -> None:
    """Answer in something that is not HTTP."""
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    drops(handler)


def trickles(handler: _Handler) -> None:
    """Send a byte now and then, so that no single wait is long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    with suppress(OSError):
        while not handler.server.ending.wait(0.02):
            handler.wfile.write(b" ")
            handler.wfile.flush()
    handler.close_connection = True


def pours(handler: _Handler) -> None:
    """Send an answer that does not end, as fast as it is taken."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    with suppress(OSError):
        while not handler.server.ending.is_set():
            handler.wfile.write(b" " * 65536)
    handler.close_connection = True


@contextmanager
def stub_server() -> Iterator[StubServer]:
    """Run one in a thread; at the end nothing of it is left."""
    with StubServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()


def unused_port() -> int:
    """Return a port on which nobody listens, another each time.

    It is below those that a system gives to connections, of which one may be taken before its user comes to it.
    """
    for port in _PORTS:
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")
