"""What the processes of the API remember of alerts, and whose turn it is to send them: a document of `worker_state`."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from recurrence_pipeline.storage.mongo import Mongo, translated

ALERTS = {"_id": "alerts of the API"}
TURN = timedelta(seconds=45)
"""Longer than sending takes (20 s for all channels), and shorter than the minute after which the same process looks
again. Whoever dies in its turn keeps the others waiting no longer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to send, and what was remembered when it was taken."""

    id: str
    state: str | None


class AlertTurns:
    """Of several processes that want to send at once, one does."""

    def __init__(self, mongo: Mongo) -> None:
        self._state = mongo.state

    @translated()
    def remembered(self) -> str | None:
        """Return what is remembered."""
        return _text((self._state.find_one(ALERTS) or {}).get("state"))

    @translated()
    def take(self, now: datetime) -> Turn | None:
        """Take the turn, None where another process has it; `now` is the server's time.

        Another process may have read that time a moment later. An end that lies further ahead than two turns are long
        was dated by a clock that was set back since.
        """
        turn, free = uuid4().hex, {"until": {"$not": {"$gt": now, "$lte": now + 2 * TURN}}}
        with suppress(DuplicateKeyError):  # another process has made it just now
            self._state.update_one(ALERTS, {"$setOnInsert": {"state": None}}, upsert=True)
        taken = self._state.find_one_and_update(
            ALERTS | free, {"$set": {"turn": turn, "until": now + TURN}}, return_document=ReturnDocument.AFTER
        )
        return Turn(turn, _text(taken.get("state"))) if taken else None

    @translated()
    def end(self, turn: Turn, state: str) -> None:
        """Store what is remembered from now on, and let others have the turn; one that has run out stores nothing."""
        self._state.update_one(ALERTS | {"turn": turn.id}, {"$set": {"state": state}, "$unset": {"until": ""}})


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
