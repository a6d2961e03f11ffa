"""Serving the API: the sockets it listens on, and an end that lets requests finish."""

import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import ip_address

import structlog
import uvicorn

from recurrence_pipeline.api.app import create_app
from recurrence_pipeline.api.connections import bounded
from recurrence_pipeline.api.exporting import PATH, exporting
from recurrence_pipeline.api.presence import present
from recurrence_pipeline.api.watch import Watch
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.logs import ROOT
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.monitoring.heartbeat_rules import EVERY
from recurrence_pipeline.monitoring.prometheus import Exporter
from recurrence_pipeline.storage.command_errors import DatabaseErrors

BACKLOG = 2048
KEPT_ALIVE = timedelta(seconds=75)
"""Longer than clients keep idle connections, or they would send on one that is being closed."""
LAST_ANSWERS = timedelta(seconds=5)
"""More than the longest call, for requests in flight when the server is told to stop."""
MISSING_FAMILY = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})

log = structlog.get_logger(__name__)


def serve(
    worker: Worker, errors: DatabaseErrors, *, listening: Callable[[list[str], list[str]], None] = lambda *_urls: None
) -> None:
    """Serve until SIGTERM or SIGINT, and finish what has begun.

    `errors` has been listening to the worker's client where PROMETHEUS_METRICS asks for metrics, which have it; see
    `listeners`.
    `listening` is told the URLs of the API and of the metrics, once they take requests. Meanwhile it leaves heartbeats,
    and watches Dagster; see watch.py.

    Raises:
        ConfigurationError: HOST, PORT or METRICS_PORT cannot be used.
        KeyboardInterrupt: SIGINT ended it.
    """
    settings = worker.settings
    with ExitStack() as stack:
        sockets = [stack.enter_context(each) for each in listen(settings.host, settings.port)]
        scraped: list[socket.socket] = []
        if settings.prometheus_metrics:
            found = listen(settings.host, settings.metrics_port, variable="METRICS_PORT")
            scraped += [stack.enter_context(each) for each in found]
            exporter = Exporter(worker.context.event_metrics, errors, worker.parts, lateness=settings.lease)
            stack.enter_context(exporting(exporter, scraped, patience=settings.request_timeout))
        logging.getLogger("uvicorn").handlers = logging.getLogger(ROOT).handlers
        logging.getLogger("uvicorn").setLevel("WARNING")
        config = configuration(worker)
        urls, metrics = [_url(each) for each in sockets], [_url(each) + PATH for each in scraped]
        watch = Watch(worker, sockets[0].getsockname()[1])
        stack.callback(watch.end)
        stack.enter_context(present(watch.look, EVERY))
        log.info("listening", urls=urls, metrics=metrics)
        listening(urls, metrics)
        # The server raises the signal that ended it once more; SIGTERM is a wish that was granted, not a failure.
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            uvicorn.Server(config).run(sockets=sockets)
        finally:
            signal.signal(signal.SIGTERM, before)
        log.info("stopped listening")


def listeners(settings: Settings, errors: DatabaseErrors) -> list[DatabaseErrors]:
    """Return what is to listen to the worker's client: only the metrics ask for it, and each command costs it time."""
    return [errors] if settings.prometheus_metrics else []


def configuration(worker: Worker) -> uvicorn.Config:
    """Return how the API is served."""
    return uvicorn.Config(
        create_app(worker),
        **bounded(worker.settings.request_timeout),
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the socket's address is what counts; see auth.py
        server_header=False,
        timeout_keep_alive=int(KEPT_ALIVE.total_seconds()),
        timeout_graceful_shutdown=int((worker.settings.worker_timeout + LAST_ANSWERS).total_seconds()),
    )


def listen(hosts: Iterable[str], port: int, *, variable: str = "PORT") -> list[socket.socket]:
    """Return listening sockets, all on one port: the one given or, for 0, one that is free on the first host.

    Where this machine lacks one of several addresses (IPv6, often), the others do.

    Raises:
        ConfigurationError: none can be had, or the port, which `variable` names, is in use.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(hosts):
            try:
                opened = _listening(family, address, sockets[0].getsockname()[1] if sockets else port)
            except OSError as error:
                if error.errno not in MISSING_FAMILY:
                    raise ConfigurationError(f"{variable}: {port} on {address}: {error.strerror}") from error
                log.warning("this machine lacks an address of HOST", address=address)
            else:
                sockets.append(opened)
    except BaseException:
        for each in sockets:
            each.close()
        raise
    if not sockets:
        raise ConfigurationError(f"HOST: this machine has none of {', '.join(hosts)}")
    return sockets


def _addresses(hosts: Iterable[str]) -> list[tuple[socket.AddressFamily, str]]:
    found = []
    for host in hosts:
        try:
            infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ConfigurationError(f"HOST: {host!r} is not an address here: {error.strerror}") from error
        found += [(family, str(address[0])) for family, _, _, _, address in infos]
    return list(dict.fromkeys(found))


def _listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # By name: only of what says that it is TCP does asyncio send each part of an answer at once (TCP_NODELAY).
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not ip_address(address).is_unspecified)
        opened.bind((address, port))
        opened.listen(BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened


def _url(listening: socket.socket) -> str:
    address, port = listening.getsockname()[:2]
    return f"http://[{address}]:{port}" if listening.family == socket.AF_INET6 else f"http://{address}:{port}"
