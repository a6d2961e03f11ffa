#!/usr/bin/env bash
# SecantusDB: an update by _id gets slower with each equality beside the _id, and fast again with {$exists: true} in each.
#
# Guess: an _id leads to one document; what else the filter asks is compared with that, in microseconds: twenty conditions
#   cost next to nothing, and `$exists: true` beside `$eq` a little more (MongoDB manual, "Query Plans": _id finds one).
# Seen (SecantusDB 0.7.0b3, pymongo 4.20.1, Python 3.11): with seven indexes, 20 equalities on fields that none of them has
#   make an update cost the server more than twice the CPU. For each condition that an index could answer it reads the
#   list of all indexes anew, several times, before it tries the _id. The same conditions with `$exists: true` beside
#   `$eq`, which no index can answer, cost less than half of that.
set -euo pipefail

work=$(mktemp -d)
trap 'kill "${server:-0}" 2>/dev/null || true; rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check SecantusDB==0.7.0b3 pymongo==4.20.1 2>/dev/null
touch "$work/empty.toml"
"$work/venv/bin/python" -m secantus --port 0 --storage-path "$work/data" --config "$work/empty.toml" 2>"$work/log" &
server=$!
until port=$(grep -oPm1 'listening on \S+:\K\d+' "$work/log"); do sleep 0.1; done

"$work/venv/bin/python" - "$port" "$server" <<'PYTHON'
import os
import sys
from importlib.metadata import version
from pathlib import Path

from pymongo import MongoClient, UpdateOne

packages = ("SecantusDB", "pymongo")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
tasks = MongoClient(f"mongodb://127.0.0.1:{sys.argv[1]}/?directConnection=true&retryWrites=false").findings.tasks
for number in range(7):
    tasks.create_index(f"indexed{number}")
fields = {f"field{number}": number for number in range(20)}
tasks.insert_many([{"_id": number, "round": 0, **fields} for number in range(400)])


def cpu() -> int:
    """Of the server, in clock ticks."""
    return sum(map(int, Path(f"/proc/{sys.argv[2]}/stat").read_text().rpartition(")")[2].split()[11:13]))


def took(condition) -> float:
    """CPU of the server for 1200 updates."""
    began = cpu()
    for _ in range(3):
        requests = [UpdateOne({"_id": n, **condition}, {"$inc": {"round": 1}}) for n in range(400)]
        assert tasks.bulk_write(requests, ordered=False).modified_count == 400
    return max(cpu() - began, 1)


plain = took({})
equal = took({name: {"$eq": value} for name, value in fields.items()})
exists = took({name: {"$eq": value, "$exists": True} for name, value in fields.items()})
cases = (  # what, guess, seen, described
    ("20 equalities beside the _id", "about as much CPU", equal > 2 * plain, True),
    ("the same with $exists: true in each, against those without", "a little more", exists < equal / 2, True),
)
words = ("more than twice as much as the _id alone", "less than half as much")
different = []
for (what, guess, seen, described), word in zip(cases, words, strict=True):
    print(f"{what}\n  guess: {guess}\n  seen:  {word if seen else 'about as much'}")
    if seen != described:
        different.append(what)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
