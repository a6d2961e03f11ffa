"""Random rules, with a start each; drawn from a seed, to be repeated."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from recurrence_pipeline.simulation.random_rules import random_rule

FIRST, LAST = datetime.fromisoformat("1950-01-01"), datetime.fromisoformat("2150-01-01")


def random_rules(seed: int, count: int) -> Iterator[tuple[str, datetime]]:
    """Yield texts of rules without COUNT and UNTIL, each with a start."""
    chance = Random(seed)  # noqa: S311 - repeatable is the point
    span = (LAST - FIRST) // timedelta(minutes=1)
    for _ in range(count):
        yield random_rule(chance), FIRST + timedelta(minutes=chance.randrange(span))
