"""Serving the metrics of Prometheus on a port of their own. What they are is said in monitoring/prometheus.py."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import uvicorn
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recurrence_pipeline.api.connections import bounded
from recurrence_pipeline.monitoring.prometheus import Exporter

PATH = "/metrics"
LAST_SCRAPES = timedelta(seconds=2)
"""A scrape takes no time; a connection that Prometheus keeps open must not hold up the end."""


def create_metrics_app(exporter: Exporter) -> Starlette:
    """Return an ASGI application that answers one path, with the text format or, where asked for, OpenMetrics."""

    def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(exporter.registry), headers={"content-type": content_type})

    return Starlette(routes=[Route(PATH, metrics)])


@contextmanager
def exporting(exporter: Exporter, sockets: Sequence[socket.socket], *, patience: timedelta) -> Iterator[None]:
    """Serve on listening sockets, and look at the database, until the end of the block.

    `patience` is how long a client may take to send a request.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            create_metrics_app(exporter),
            **bounded(patience),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(LAST_SCRAPES.total_seconds()),
        )
    )
    stop = threading.Event()
    # Daemons: a look that waits for a database that is away must not hold up the end.
    threads = [
        threading.Thread(target=server.run, kwargs={"sockets": list(sockets)}, name="metrics-server", daemon=True),
        threading.Thread(target=exporter.run, args=[stop], name="metrics-reader", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        stop.set()
        for thread in threads:
            thread.join(2 * LAST_SCRAPES.total_seconds())
