"""Between what is known of a series and its document in `task_series`, whose fields task_series.py lists.

A document that makes no sense is read as none. When which of them is written is task_series.py's business.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.plan import CursorMove
from recurrence_pipeline.domain.recurrence import NONE, is_rule
from recurrence_pipeline.domain.series_memory import Revision, SeriesMemory, Skipped
from recurrence_pipeline.domain.zones import wall_text, wall_time
from recurrence_pipeline.storage.documents import Document, date_of, whole


def series_document(move: CursorMove) -> Document:
    """Write what is known of a series as it is remembered for the first time."""
    memory = move.memory
    document = {"_id": ObjectId(move.series_id), **memory_fields(memory)}
    if memory.original_slot:
        document["originalSlot"] = memory.original_slot
    if memory.added:
        document["added"] = sorted(map(wall_text, memory.added))
    return document


def memory_fields(memory: SeriesMemory) -> Document:
    """Write what a change of a series writes anew."""
    followed = {} if memory.followed is None else {"followed": memory.followed}
    return {
        "cursor": cursor_document(memory),
        "revisions": [_revision_document(r) for r in memory.revisions],
        **followed,
    }


def skipped_document(skipped: Skipped) -> Document:
    """Write who asked that a slot be skipped, and which task went for it."""
    return {"by": ObjectId(skipped.event_id)} | ({"task": ObjectId(skipped.task_id)} if skipped.task_id else {})


def _revision_document(revision: Revision) -> Document:
    document: Document = {
        "rule": revision.rule,
        "anchor": wall_text(revision.anchor),
        "timezone": revision.timezone,
        "anchoredAt": revision.anchored_at,
    }
    if revision.from_completion:
        document["from"] = "completion"
    if revision.first:
        document |= {"first": revision.first, "replaces": revision.replaces}
    return document if revision.start is None else document | {"start": wall_text(revision.start)}


def _added(value: object) -> frozenset[datetime]:
    times = map(wall_time, value) if isinstance(value, list) else ()
    return frozenset(time for time in times if time is not None)


def cursor_document(memory: SeriesMemory) -> Document:
    """Write how far a series is."""
    at, revision = memory.at, len(memory.revisions) - 1
    passed = {"passed": sorted(memory.passed)} if memory.passed else {}
    return {"number": memory.number, "at": None if at is None else wall_text(at), "revision": revision, **passed}


def memory_from(document: Mapping[str, Any]) -> SeriesMemory | None:
    """Read what is known of a series; None where the document makes no sense."""
    match document:
        case {"cursor": {"number": number, **cursor}, "revisions": [*_, _] as stored} if (
            (reached := whole(number)) is not None
            and reached >= 0
            and (revisions := _revisions(stored)) is not None
            and (passed := _passed(cursor.get("passed"))) is not None
            and isinstance(document.get("added", []), list)
            and isinstance(document.get("skipped", {}), Mapping)
            and (skipped := _skipped(document.get("skipped"))) is not None
            and (skip_changes := whole(document.get("skipChanges", 0))) is not None
        ):
            followed = document.get("followed")
            return SeriesMemory(
                reached,
                revisions,
                whole(document.get("originalSlot")) or 0,
                wall_time(cursor.get("at")),
                _added(document.get("added")),
                passed,
                skipped,
                skip_changes,
                followed if isinstance(followed, str) else None,
            )
    return None


def _revisions(stored: Sequence[Any]) -> tuple[Revision, ...] | None:
    """Return the revisions; None where one of them makes no sense, for none could be changed then (`_unchanged`)."""
    found = tuple(revision for each in stored if (revision := _revision(each)) is not None)
    return found if len(found) == len(stored) else None


def _passed(stored: object) -> frozenset[int] | None:
    """Return the slots that were passed over; None where that is no list of numbers in order, as we write it."""
    if stored is None:
        return frozenset()
    found = {n for each in (stored if isinstance(stored, list) else ()) if (n := whole(each))}
    return frozenset(found) if sorted(found) == stored else None


def _revision(value: object) -> Revision | None:
    if not isinstance(value, dict):
        return None
    rule, wall, zone, since = (
        value.get("rule"),
        wall_time(value.get("anchor")),
        value.get("timezone"),
        date_of(value.get("anchoredAt")),
    )
    if wall is None or not isinstance(rule, str) or not isinstance(zone, str) or not (rule == NONE or is_rule(rule)):
        return None
    return Revision(
        rule,
        wall,
        zone,
        since,
        whole(value.get("first")) or 0,
        whole(value.get("replaces")) or 0,
        wall_time(value.get("start")),
        value.get("from") == "completion",
    )


def _skipped(value: object) -> Mapping[str, Skipped] | None:
    """Return what is not wanted; None where some of it makes no sense: no rule could be changed then (`_unchanged`)."""
    found = {}
    for slot, each in value.items() if isinstance(value, Mapping) else ():
        match each:
            case {"by": ObjectId() as by, "task": ObjectId() as task}:
                found[str(slot)] = Skipped(str(by), str(task))
            case {"by": ObjectId() as by}:
                found[str(slot)] = Skipped(str(by))
        if str(slot) not in found or skipped_document(found[str(slot)]) != each:
            return None
    return found
