"""Loading an export of the application's data, so that a second load changes nothing.

Every file is read twice: first all of all files is checked, then it is written in chunks. So a broken line stops the
import before anything is written, and a file of any size takes the memory of one chunk. What a line must hold is in
jsonl.py.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.counters import raising
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.jsonl import BadLine, Line, counter_line, lines_of, task_line, trigger_line, user_line
from recurrence_pipeline.storage.mongo import Mongo, refusals, translated
from recurrence_pipeline.storage.schema import require_schema

SAMPLE_DATA = Path(__file__).parent.parent / "sample_data"
"""933 tasks, 12 users and 808 triggers of an application, packaged with the code."""
SAMPLE_OF_RULES = SAMPLE_DATA / "any_rule"
"""20 series of rules that the application does not know, made for this."""

MAX_REFUSED = 20
CHECKED_BETWEEN_SIGNS = 1000

ImportProgress = Callable[[str, int, int], None]
"""Called with (file name, bytes done, bytes in all); the bytes of all files count twice, for both readings."""


@dataclass(slots=True)
class FileReport:
    """What became of one file's lines: read = added + present + refused. `reasons` tells of the first 20 refused."""

    name: str
    read: int = 0
    added: int = 0
    present: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def refuse(self, line: Line, reason: str) -> None:
        """Count a line that the database does not take."""
        self.refused += 1
        if len(self.reasons) < MAX_REFUSED:
            self.reasons.append(f"{self.name} line {line.number}: {reason}")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import came to, file by file."""

    files: tuple[FileReport, ...]

    def __add__(self, other: "ImportReport") -> "ImportReport":
        return ImportReport(self.files + other.files)

    @property
    def added(self) -> int:
        """How many documents are new, or of counters raised."""
        return sum(file.added for file in self.files)

    @property
    def refused(self) -> int:
        """How many lines the database did not take."""
        return sum(file.refused for file in self.files)

    def as_json(self) -> dict[str, Any]:
        """Return all of it for a program."""
        return {
            "files": [
                {
                    "file": file.name,
                    "read": file.read,
                    "added": file.added,
                    "alreadyThere": file.present,
                    "refused": file.refused,
                    "reasons": file.reasons,
                }
                for file in self.files
            ]
        }


Chunk = Sequence[tuple[Line, Document]]
Write = Callable[[Collection[Document], Chunk, FileReport], None]


@dataclass(frozen=True, slots=True)
class ImportFile:
    """One kind of file: its name, the collection it fills, how a line is read, and how a chunk is written."""

    name: str
    collection: str
    read: Callable[[Line], Document]
    write: Write


@translated()
def import_folder(
    mongo: Mongo,
    folder: Path,
    *,
    write_chunk: int,
    progress: ImportProgress = lambda _name, _done, _total: None,
    before_writing: Callable[[], None] = lambda: None,
) -> ImportReport:
    """Load the tasks, users, counters and trigger log of a folder; each file may be missing, but not all of them.

    What is there already stays as it is, and counters only rise. Each line of the trigger log becomes a pending event.
    A task whose `taskId` belongs to another task is refused by itself, and reported. Where the database goes away
    midway, importing again adds the rest. `before_writing` is called once everything has been checked.

    Raises:
        InvalidInput: no such folder or file, or a broken line, named by file and number; nothing was written.
        DatabaseUnavailable: the database is away, or `init-db` has not been run.
    """
    present = [(source, folder / source.name) for source in SOURCES if (folder / source.name).is_file()]
    if not present:
        what = "no such folder" if not folder.is_dir() else f"none of {', '.join(s.name for s in SOURCES)} is in there"
        raise InvalidInput(f"{folder}: {what}")
    require_schema(mongo)
    total = 2 * sum(path.stat().st_size for _, path in present)
    behind = 0
    for source, path in present:
        for line in _checked(source, path):
            if line.number % CHECKED_BETWEEN_SIGNS == 0:
                progress(source.name, behind + line.end, total)
        behind += path.stat().st_size
    before_writing()
    reports = []
    for source, path in present:
        report = FileReport(source.name)
        for chunk in _chunks(source, path, write_chunk):
            source.write(mongo.db[source.collection], chunk, report)
            report.read += len(chunk)
            progress(source.name, behind + chunk[-1][0].end, total)
        behind += path.stat().st_size
        progress(source.name, behind, total)
        reports.append(report)
    return ImportReport(tuple(reports))


def _checked(source: ImportFile, path: Path) -> Iterator[Line]:
    """Yield every line that is as it should be.

    Raises:
        InvalidInput: after the last line where one was not; it names the first.
    """
    first, broken = "", 0
    for line in lines_of(path):
        try:
            source.read(line)
        except BadLine as error:
            broken += 1
            first = first or f"{path.name} line {line.number}: {error}"
        else:
            yield line
    if broken > 1:
        raise InvalidInput(f"{first} (and {broken - 1} more broken lines)")
    if broken:
        raise InvalidInput(first)


def _chunks(source: ImportFile, path: Path, size: int) -> Iterator[Chunk]:
    for chunk in chunks(lines_of(path), size):
        try:
            yield [(line, source.read(line)) for line in chunk]
        except BadLine as error:
            raise InvalidInput(f"{path.name}: changed while it was read: {error}") from error


def _insert(collection: Collection[Document], chunk: Chunk, report: FileReport) -> None:
    """Insert what is not there yet; a document that another one keeps out is reported, not an error."""
    try:
        collection.insert_many([document for _, document in chunk], ordered=False)
    except BulkWriteError as error:
        refused = refusals(error)
    else:
        refused = []
    report.added += len(chunk) - len(refused)
    kept_out = [r for r in refused if "_id" not in (r.key_value or {})]
    # A server may name either key where both are taken: what is there under its own id is simply there.
    ids = [chunk[r.index][1]["_id"] for r in kept_out]
    there = {d["_id"] for d in collection.find({"_id": {"$in": ids}}, {"_id": 1})} if ids else set()
    report.present += len(refused) - len(kept_out)
    for refusal in kept_out:
        line, document = chunk[refusal.index]
        if document["_id"] in there:
            report.present += 1
        elif refusal.key_value:
            taken = ", ".join(f"{name} {value}" for name, value in refusal.key_value.items())
            report.refuse(line, f"{document['_id']}: {taken} belongs to another document of {collection.name!r}")
        else:
            report.refuse(line, f"{document['_id']}: {refusal.message}")


def _raise_counters(collection: Collection[Document], chunk: Chunk, report: FileReport) -> None:
    """Raise counters that are behind, and create those that are missing; none is ever lowered."""
    result = collection.bulk_write(
        [
            UpdateOne({"_id": counter["_id"]}, raising(int(counter["sequence_value"])), upsert=True)
            for _, counter in chunk
        ]
    )
    raised = result.upserted_count + result.modified_count
    report.added += raised
    report.present += len(chunk) - raised


SOURCES = (
    ImportFile("tasks.jsonl", "tasks", task_line, _insert),
    ImportFile("users.jsonl", "users", user_line, _insert),
    ImportFile("counters.jsonl", "counters", counter_line, _raise_counters),
    ImportFile("trigger_log.jsonl", "task_events", trigger_line, _insert),
)
"""In the order of loading: an event comes after the task it names."""
