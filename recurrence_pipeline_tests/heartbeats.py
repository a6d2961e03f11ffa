"""Time that passes for heartbeats: the server dates them, so what is stored is moved back instead."""

from datetime import timedelta

from pymongo.collection import Collection

from recurrence_pipeline.storage.documents import Document

TIMES = ("since", "seenAt", "until")


def pass_minutes(state: Collection[Document], minutes: float) -> None:
    """Let all that is dated in `worker_state` be so much older."""
    for stored in state.find():
        older = {name: stored[name] - timedelta(minutes=minutes) for name in TIMES if name in stored}
        if older:
            state.update_one({"_id": stored["_id"]}, {"$set": older})
