"""Worlds for the tests of the work."""

from collections.abc import Iterator

import pytest

from recurrence_pipeline_tests.world import World


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    """Return a worker on a fresh database, at noon of New Year's Day 2024."""
    world = World(mongodb_url)
    yield world
    world.close()
