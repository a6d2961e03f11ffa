"""The client on https://: it speaks with whom the system's authorities know, and with nobody else."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from recurrence_pipeline.client import Delivered
from recurrence_pipeline_tests.client.test_trigger import DATA, DONE, TASK
from recurrence_pipeline_tests.stub_server import StubServer, stub_server
from recurrence_pipeline_tests.subjects import Subject

CERTIFICATES = "SSL_CERT_FILE"
"""Where OpenSSL is told whom to trust, in place of the system's own list."""


@pytest.fixture(params=["sync", "async"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.param)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def worker(authority: trustme.CA) -> Iterator[StubServer]:
    """Return what the client takes for the worker, and which has a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with stub_server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.will(DONE)
        yield server


def test_a_worker_whose_certificate_the_system_trusts_is_spoken_to(
    worker: StubServer, authority: trustme.CA, subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv(CERTIFICATES, str(tmp_path / "authority.pem"))
    with subject.open(f"https://127.0.0.1:{worker.server_port}") as client:
        assert client.call("trigger_task_creation", TASK) == Delivered(DATA)


def test_to_one_that_nobody_vouches_for_nothing_is_said(worker: StubServer, subject: Subject) -> None:
    """Else whoever sits on the way reads the key."""
    with subject.open(f"https://127.0.0.1:{worker.server_port}") as client:
        answer = client.call("trigger_task_creation", TASK)
    assert "certificate verify failed" in str(answer)
    assert worker.heard == []
