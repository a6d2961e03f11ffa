"""The sockets that the API listens on, and what listens to its commands."""

import asyncio
import socket

import pytest

from recurrence_pipeline.api.server import listen, listeners
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.storage.command_errors import DatabaseErrors

ELSEWHERE = "192.0.2.1"
"""RFC 5737: an address of nobody, so not of this machine."""


def test_an_address_that_this_machine_lacks_does_not_keep_the_others_from_listening() -> None:
    """IPv6 is missing on many machines, and ::1 is among the default addresses."""
    sockets = listen(["127.0.0.1", ELSEWHERE], 0)
    assert [each.getsockname()[0] for each in sockets] == ["127.0.0.1"]
    for each in sockets:
        each.close()


def test_a_name_listens_on_all_of_its_addresses_and_on_one_port() -> None:
    sockets = listen(["localhost", "127.0.0.1"], 0)
    addresses = [each.getsockname()[:2] for each in sockets]
    for each in sockets:
        each.close()
    assert "127.0.0.1" in dict(addresses)
    assert len(set(addresses)) == len(addresses)
    assert len({port for _, port in addresses}) == 1


@pytest.mark.parametrize("hosts", [[ELSEWHERE], [], ["no such host"]])
def test_no_address_at_all_is_a_wrong_setting(hosts: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="HOST: "):
        listen(hosts, 0)


def test_a_port_that_is_taken_is_a_wrong_setting_and_leaves_nothing_open() -> None:
    (taken,) = listen(["127.0.0.1"], 0)
    port = taken.getsockname()[1]
    with pytest.raises(ConfigurationError, match=f"PORT: {port} on 127.0.0.1: "):
        listen(["127.0.0.1"], port)
    taken.close()
    (free_again,) = listen(["127.0.0.1"], port)
    free_again.close()


def test_an_answer_is_sent_at_once_on_the_event_loop_that_python_brings() -> None:
    """Else the second part of each waits until the client has confirmed the first: 40 ms, on Linux."""

    async def asked_for() -> int:
        (listening,) = listen(["127.0.0.1"], 0)
        connected: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Accepting(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted = transport.get_extra_info("socket")
                connected.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        async with await asyncio.get_running_loop().create_server(Accepting, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            writer.close()
            return await connected

    assert asyncio.run(asked_for()) == 1


def test_commands_are_listened_to_only_where_metrics_are_asked_for() -> None:
    """Each listener costs each command, and a request sends a dozen."""
    errors = DatabaseErrors()
    assert listeners(Settings.from_environment({}), errors) == []
    assert listeners(Settings.from_environment({"PROMETHEUS_METRICS": "true"}), errors) == [errors]
