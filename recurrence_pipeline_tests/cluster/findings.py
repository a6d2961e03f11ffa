"""What is wrong in the end: the documents of the cluster are held against those of one worker, field by field."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pymongo.database import Database

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.storage.documents import Document

VARYING = {
    "tasks": {"taskId", "createdAt", "updatedAt", "createdByEvent"},
    "useractivities": {"activityId", "timestamp"},
    "deleted_tasks": {"deletedAt", "task"},
}
"""Numbers, times, and which of two events about one series came first; a copied task is compared without those too."""
SHOWN = 3


def findings(alone: Database[Document], together: Database[Document], worker: Worker) -> list[str]:
    """Return what differs between the work of one worker and that of several, and what the system's own checks find."""
    checked = [
        f"{found.name}: {found.count}, such as {dict(found.samples[0])}"
        for found in worker.consistency.run()
        if found.severity not in {Severity.OK, Severity.INFO}
    ]
    return [*_documents(alone, together), *_events(alone, together), *_once(together), *checked]


def _documents(alone: Database[Document], together: Database[Document]) -> Iterator[str]:
    for name, varying in VARYING.items():
        expected, found = (_comparable(db, name, varying) for db in (alone, together))
        for word, ids in (("is missing", expected.keys() - found.keys()), ("is extra", found.keys() - expected.keys())):
            if ids:
                yield f"{name}: {len(ids)} {word}, such as {sorted(ids)[:SHOWN]}"
        differing = sorted(key for key in expected.keys() & found.keys() if expected[key] != found[key])
        if differing:
            key = differing[0]
            yield f"{name}: {len(differing)} differ, such as {found[key]} and not {expected[key]}"


def _comparable(db: Database[Document], name: str, varying: set[str]) -> dict[Any, Document]:
    documents = {}
    for document in db[name].find():
        kept = {field: value for field, value in document.items() if field not in varying}
        if name == "deleted_tasks":
            kept["task"] = {f: v for f, v in document["task"].items() if f not in VARYING["tasks"]}
        documents[document["_id"]] = kept
    return documents


def _events(alone: Database[Document], together: Database[Document]) -> Iterator[str]:
    """Compare how each event ended, and what all of them say they did, whichever of two did it."""
    expected, found = ({e["_id"]: e for e in db["task_events"].find()} for db in (alone, together))
    different = [
        f"{e['operation']} ended {found[key]['status']} and not {e['status']}"
        for key, e in expected.items()
        if key in found and found[key]["status"] != e["status"]
    ]
    if different or expected.keys() - found.keys():
        yield f"events: {Counter(different)}, {len(expected.keys() - found.keys())} lost"
    sums = [_told(events) for events in (expected, found)]
    if sums[0] != sums[1]:
        yield f"events say that they made and deleted {sums[1]} and not {sums[0]} occurrences"


def _told(events: dict[Any, Document]) -> tuple[int, int, int]:
    results = [event.get("result") or {} for event in events.values()]
    created = [task_id for result in results for task_id in result.get("created", [])]
    return len(created), len(set(created)), sum(result.get("deleted", 0) for result in results)


def _once(together: Database[Document]) -> Iterator[str]:
    """Each number is given once, and each event that has ended is held by nobody."""
    for name, number in (("tasks", "taskId"), ("useractivities", "activityId")):
        counts = Counter(document[number] for document in together[name].find({}, {number: 1}))
        twice = [value for value, count in counts.items() if count > 1]
        if twice:
            yield f"{name}: {len(twice)} numbers are there twice, such as {twice[:SHOWN]}"
    held = together["task_events"].count_documents({"lease.owner": {"$exists": True}})
    if held:
        yield f"{held} events are held"
