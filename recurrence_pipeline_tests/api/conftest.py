"""APIs for tests: each on a real socket, over a database of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from recurrence_pipeline_tests.api.serving import Api, serving
from recurrence_pipeline_tests.world import World

OpenApi = Callable[..., Api]


@pytest.fixture
def open_api(mongodb_url: str) -> Iterator[OpenApi]:
    """Return a function that opens an API with these environment variables, at noon of New Year's Day 2024."""
    with ExitStack() as stack:

        def opened(headers: dict[str, str] | None = None, **environment: str) -> Api:
            world = World(mongodb_url, now=None, **environment)
            stack.callback(world.close)
            url = stack.enter_context(serving(world.worker))
            return Api(world, stack.enter_context(httpx.Client(base_url=url, headers=headers, trust_env=False)))

        yield opened


@pytest.fixture
def api(open_api: OpenApi) -> Api:
    """Return an API with the settings nobody touched: open to loopback."""
    return open_api()
