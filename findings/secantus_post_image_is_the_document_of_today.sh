#!/usr/bin/env bash
# SecantusDB: the post-image of an update is the document as it is when the stream is read, and none if it has gone.
#
# Guess: in a collection with changeStreamPreAndPostImages, `fullDocument: "required"` is the document as that update left
#   it, whatever came later: that is what MongoDB has post-images for, beside "updateLookup", which reads it anew (manual:
#   "Change Streams with Document Pre- and Post-Images").
# Seen (SecantusDB 0.7.0b3, pymongo 4.20.1, Python 3.11): of two updates one after the other both events have the second
#   one's document. Where the document has been deleted by the time the event is read, the stream ends in an error, as if
#   there were no images. Pre-images are right: they are of each update and of the deletion.
set -euo pipefail

work=$(mktemp -d)
trap 'kill "${server:-0}" 2>/dev/null || true; rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check SecantusDB==0.7.0b3 pymongo==4.20.1 2>/dev/null
touch "$work/empty.toml"
"$work/venv/bin/python" -m secantus --port 0 --storage-path "$work/data" --config "$work/empty.toml" 2>"$work/log" &
server=$!
until port=$(grep -oPm1 'listening on \S+:\K\d+' "$work/log"); do sleep 0.1; done

"$work/venv/bin/python" - "$port" <<'PYTHON'
import sys
from importlib.metadata import version

from pymongo import MongoClient
from pymongo.errors import OperationFailure

packages = ("SecantusDB", "pymongo")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
tasks = MongoClient(f"mongodb://127.0.0.1:{sys.argv[1]}/findings?directConnection=true").findings.create_collection(
    "tasks", changeStreamPreAndPostImages={"enabled": True}
)


def titles(field: str, *, deleted: bool, **options: str) -> list[str] | str:
    """The titles in the images of an update to "b" and one to "c", read when both are done."""
    tasks.insert_one({"_id": 1, "title": "a"})
    with tasks.watch(max_await_time_ms=1000, **options) as stream:
        for title in "bc":
            tasks.update_one({"_id": 1}, {"$set": {"title": title}})
        if deleted:
            tasks.delete_many({})
        try:
            return [stream.next()[field]["title"] for _ in range(2)]
        except OperationFailure:
            return "an error"
        finally:
            tasks.delete_many({})


cases = (  # what, guess, seen, described
    ("post-images", ["b", "c"], titles("fullDocument", deleted=False, full_document="required"), ["c", "c"]),
    ("post-images, deleted since", ["b", "c"], titles("fullDocument", deleted=True, full_document="required"), "an error"),
    ("pre-images, deleted since", ["a", "b"],
     titles("fullDocumentBeforeChange", deleted=True, full_document_before_change="required"), ["a", "b"]),
)
different = []
for what, guess, seen, described in cases:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
