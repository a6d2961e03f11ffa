"""Shards: what a worker takes first where several process one queue. Which worker has which shard is not decided here.

Without shards all read the same oldest events, one wins them, and the others have looked for nothing. A shard is a
preference and no wall: an event is anybody's, and a worker whose shard is empty helps the others. So a shard whose
worker has died loses nothing but the preference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from re import fullmatch
from typing import TypeVar
from zlib import crc32

from recurrence_pipeline.domain.errors import InvalidInput

Event = TypeVar("Event")

SMALL = 100
"""Others' events that a helper takes together, and does not share with other helpers."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `number` of `of`, counted from 0."""

    number: int
    of: int

    def choose(self, due: Sequence[tuple[Event, str]], limit: int) -> list[Event]:
        """Choose up to `limit` of the events that have been due the longest, given with their tasks, in that order.

        Those of this shard only, while there are any. Of the others' it takes a part, each shard another one: helpers
        then hardly ever meet. What is due at all is never answered with nothing.
        """
        own = [event for event, task_id in due if lane_of(task_id, self.of) == self.number]
        if own:
            return own[:limit]
        begin = len(due) * self.number // self.of
        others = [event for event, _ in (*due[begin:], *due[:begin])]
        return others[: min(limit, max(ceil(len(others) / self.of), SMALL))]


def shard_from(text: str) -> Shard:
    """Read `N/M`: shard N of M, counted from 1.

    Raises:
        InvalidInput: it is none.
    """
    found = fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise InvalidInput(f"shard: {text!r} is not N/M, such as 1/2 and 2/2 for two workers")
    return Shard(int(found[1]) - 1, int(found[2]))


WHOLE_QUEUE = Shard(0, 1)
"""The queue as it is, for whoever processes it alone."""


def lane_of(task_id: str, shards: int) -> int:
    """Return the shard of an event about this task.

    It follows from the time bytes of the id, which the ids of a series share (see `derived_id`): what is said of one
    series then waits in one shard, and mostly reaches one worker, in the order in which it was said.
    """
    return crc32(task_id[:8].encode()) % shards
