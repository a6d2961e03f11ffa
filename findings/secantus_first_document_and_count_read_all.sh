#!/usr/bin/env bash
# SecantusDB: find_one() without a filter, and estimated_document_count(), read the whole collection.
#
# Guess: the first document of a collection, and how many there are by its metadata, cost the same however many there are:
#   MongoDB stops a scan at its limit, and `count` without a query reads no document (manual: "limit", "estimatedDocumentCount").
# Seen (SecantusDB 0.7.0b3, pymongo 4.20.1, Python 3.11): each takes more than 20 times as long in a collection of 40,000
#   documents as in one of 400: all of them are read, and by find_one decoded, before the limit cuts. A lock of the whole
#   server is held meanwhile. An equality on _id takes as long in both. A "cheap" look whether there is anything, or how
#   many there are, is what blocks everybody else once there is much.
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
import time
from importlib.metadata import version

from pymongo import MongoClient

packages = ("SecantusDB", "pymongo")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
database = MongoClient(f"mongodb://127.0.0.1:{sys.argv[1]}/?directConnection=true").findings
small, large = database.small, database.large
for collection, count in ((small, 400), (large, 40_000)):
    for start in range(0, count, 400):
        collection.insert_many([{"_id": n, "title": f"Task {n}"} for n in range(start, start + 400)])


def took(ask) -> float:
    """Seconds, the best of five."""
    best = 60.0
    for _ in range(5):
        began = time.perf_counter()
        ask()
        best = min(best, time.perf_counter() - began)
    return best


cases = (  # what, guess, asked, described
    ("find_one({'_id': 7})", "about as long", lambda tasks: tasks.find_one({"_id": 7}), "about as long"),
    ("find_one()", "about as long", lambda tasks: tasks.find_one(), "more than 20 times as long"),
    ("estimated_document_count()", "about as long", lambda tasks: tasks.estimated_document_count(), "more than 20 times as long"),
)
different = []
for what, guess, ask, described in cases:
    ratio = took(lambda: ask(large)) / took(lambda: ask(small))
    seen = "more than 20 times as long" if ratio > 20 else "about as long"
    print(f"{what}: among 40,000 documents, as among 400, it takes\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
