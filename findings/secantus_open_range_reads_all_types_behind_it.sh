#!/usr/bin/env bash
# SecantusDB: {"$gte": ""} on an indexed field reads every date that stands there, though no date can match a text.
#
# Guess: a comparison is bracketed by its type, so the range of the index ends where texts end; with an upper end or without,
#   a look for texts costs the same where there are none (MongoDB manual, "Comparison/Sort Order" and "Type Bracketing").
# Seen (SecantusDB 0.7.0b3, pymongo 4.20.1, Python 3.11): the answer is right, but the walk through the index has no upper
#   end: behind texts come objects, ids, truth values and dates. Over 20,000 dates it takes more than 20 times as long as
#   the same range with an end; numbers likewise. A range of objects has no end that helps. `explain` says that an index is
#   used, and that nothing was examined, in either case. What looks for "no date here" every few seconds reads all dates.
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
from datetime import datetime, timedelta
from importlib.metadata import version

from pymongo import MongoClient

packages = ("SecantusDB", "pymongo")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
tasks = MongoClient(f"mongodb://127.0.0.1:{sys.argv[1]}/?directConnection=true").findings.tasks
tasks.create_index("at")
tasks.insert_many([{"at": datetime(2026, 1, 1) + timedelta(minutes=n)} for n in range(20_000)])


def took(wanted: dict) -> float:
    """Seconds, the best of five."""
    best = 60.0
    for _ in range(5):
        began = time.perf_counter()
        assert not list(tasks.find({"at": wanted}))
        best = min(best, time.perf_counter() - began)
    return best


def compared(open_end: dict, closed: dict) -> str:
    return "much longer" if took(open_end) > 20 * took(closed) else "about as long"


cases = (  # what, guess, seen, described
    ("texts", "about as long", compared({"$gte": ""}, {"$gte": "", "$lt": "\U0010ffff"}), "much longer"),
    ("numbers", "about as long", compared({"$gte": 0}, {"$gte": 0, "$lte": float("inf")}), "much longer"),
    ("objects, against texts", "about as long",
     compared({"$gte": {"a": 1}, "$lt": {"a": 2}}, {"$gte": "", "$lt": "\U0010ffff"}), "much longer"),
)
different = []
for what, guess, seen, described in cases:
    print(f"{what}, where there are none among 20,000 dates: a range without an upper end takes\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)
examined = tasks.find({"at": {"$gte": ""}}).explain()["executionStats"]["totalDocsExamined"]
print(f"explain says that so many documents were examined: {examined}")
sys.exit(f"No longer as described: {different}" if different or examined else 0)
PYTHON
