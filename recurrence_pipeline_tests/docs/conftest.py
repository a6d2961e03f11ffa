"""What tests of the documentation share."""

from collections.abc import Iterator

import pytest

from recurrence_pipeline_tests.world import World


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    """Return a world on a database of its own."""
    world = World(mongodb_url)
    yield world
    world.close()
