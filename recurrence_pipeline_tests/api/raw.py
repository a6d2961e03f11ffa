"""Requests byte by byte, as no client of HTTP would send them."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

LONGEST = 30
"""In seconds: a server that has answered nothing by then hangs."""


@contextmanager
def connected(client: httpx.Client) -> Iterator[socket.socket]:
    """Connect to the server that a client asks."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=LONGEST) as opened:
        yield opened


def read(opened: socket.socket) -> bytes:
    """Return all that the server sends until it closes the connection."""
    received = b""
    try:
        while piece := opened.recv(65536):
            received += piece
    except ConnectionResetError:
        pass  # it closed while we were still sending
    return received


def head(target: str, *headers: str, method: str = "GET", host: str = "localhost") -> bytes:
    """Return a request line with headers; `Connection: close` ends the answer where the connection ends."""
    lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers)
    return "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n"


def answer_to(client: httpx.Client, sent: bytes) -> bytes:
    """Send bytes, and return all that comes back."""
    with connected(client) as opened:
        opened.sendall(sent)
        return read(opened)


def status(answer: bytes) -> int:
    """Return the status of an answer, which may have been announced by another."""
    return int(answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").split(b" ", 2)[1])


def short_answer_to(client: httpx.Client, sent: bytes) -> tuple[int, bytes]:
    """Send bytes, and return the status and the body of the answer."""
    answer = answer_to(client, sent)
    return status(answer), answer.partition(b"\r\n\r\n")[2]


def in_short(body: object) -> bytes:
    """Return JSON as the API writes it."""
    return json.dumps(body, separators=(",", ":")).encode()
