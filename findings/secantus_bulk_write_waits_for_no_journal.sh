#!/usr/bin/env bash
# SecantusDB: the command bulkWrite with {j: true} answers before anything of it is on disk; kill -9, and it never was.
#
# Guess: it waits for the journal as insert and update with {j: true} do: MongoDB's `bulkWrite` (8.0) takes a write concern
#   for the whole command, and a server that says it is 8.2 keeps it (manual: "bulkWrite", "Write Concern").
# Seen (SecantusDB 0.7.0b3, pymongo 4.20.1, Python 3.11): of documents that were inserted and acknowledged one by one with
#   j: true all are there after kill -9 and a start. Of those of one bulkWrite with j: true, acknowledged too, none is.
set -euo pipefail

work=$(mktemp -d)
trap 'kill "${server:-0}" 2>/dev/null || true; rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check SecantusDB==0.7.0b3 pymongo==4.20.1 2>/dev/null
touch "$work/empty.toml"

start() {
  "$work/venv/bin/python" -m secantus --port 0 --storage-path "$work/data" --config "$work/empty.toml" 2>"$work/log" &
  server=$!
  until port=$(grep -oPm1 'listening on \S+:\K\d+' "$work/log"); do sleep 0.1; done
}

start
"$work/venv/bin/python" - "$port" "$server" <<'PYTHON'
import os
import signal
import sys
from importlib.metadata import version

from pymongo import InsertOne, MongoClient, WriteConcern

packages = ("SecantusDB", "pymongo")
print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
client = MongoClient(f"mongodb://127.0.0.1:{sys.argv[1]}/?directConnection=true&retryWrites=false")
journal = WriteConcern(j=True)
for number in range(5):
    client.findings.get_collection("tasks", write_concern=journal).insert_one({"_id": f"insert {number}"})
inserts = [InsertOne({"_id": f"bulkWrite {number}"}, namespace="findings.tasks") for number in range(5)]
done = client.bulk_write(inserts, write_concern=journal)
os.kill(int(sys.argv[2]), signal.SIGKILL)
print(f"acknowledged: 5 by insert, {done.inserted_count} by bulkWrite")
PYTHON
wait "$server" 2>/dev/null || true

start
"$work/venv/bin/python" - "$port" <<'PYTHON'
import sys

from pymongo import MongoClient

tasks = MongoClient(f"mongodb://127.0.0.1:{sys.argv[1]}/?directConnection=true").findings.tasks
cases = (("insert", 5, 5), ("bulkWrite", 5, 0))  # what, guess, described
different = []
for what, guess, described in cases:
    seen = tasks.count_documents({"_id": {"$regex": f"^{what} "}})
    print(f"after kill -9, of 5 with j: true by {what}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
