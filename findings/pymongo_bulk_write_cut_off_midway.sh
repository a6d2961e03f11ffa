#!/usr/bin/env bash
# PyMongo: a bulk write that is cut off midway does not say what it has written; only the newer bulk write does.
#
# Guess: Collection.bulk_write and insert_many, which the driver sends in several commands (one for each kind of
#   operation, one for each 48 MB), raise a BulkWriteError whose details count what the earlier commands wrote: so they
#   do when a later command meets a duplicate key.
# Seen (pymongo 4.20.1 against a MongoDB-wire server, SecantusDB 0.7.0b3, Python 3.11): when a later command loses its
#   connection, AutoReconnect comes as it is, with empty details; when the server refuses the later command as a whole,
#   OperationFailure has the details of that command alone. The counts of the earlier commands, answered and known to
#   the driver, are lost. MongoClient.bulk_write, for the same documents and the same cut, has them: nInserted is 3.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pymongo==4.20.1 SecantusDB==0.7.0b3
touch "$work/empty.toml"

"$work/venv/bin/python" - "$work" <<'PYTHON'
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version

from pymongo import InsertOne, MongoClient, UpdateOne
from pymongo.errors import PyMongoError

work = sys.argv[1]
print(f"pymongo {version('pymongo')}, SecantusDB {version('SecantusDB')}, Python {sys.version.split()[0]}")
serve = ["--port", "0", "--storage-path", f"{work}/data", "--config", f"{work}/empty.toml", "--enable-test-commands"]
server = subprocess.Popen([sys.executable, "-m", "secantus", *serve], stderr=subprocess.PIPE, text=True)
documents = [{"_id": number, "text": "x" * 13 * 1024 * 1024} for number in range(1, 7)]  # three fill a command
inserts_and_update = [InsertOne({"_id": 1}), InsertOne({"_id": 2}), UpdateOne({"_id": 1}, {"$set": {"done": True}})]
cut, refused = {"closeConnection": True}, {"errorCode": 50}
different = []


def check(what: str, fault: tuple | None, write: Callable[[], object], guess: str, described: str) -> None:
    """Write while the server has a fault, and compare what the error counts with what is there."""
    tasks.drop()
    tasks.insert_one({"_id": 0})
    if fault:
        command, skip, data = fault
        point = {"configureFailPoint": "failCommand", "mode": {"skip": skip}}
        client.admin.command({**point, "data": {"failCommands": [command], **data}})
    try:
        write()
        seen = "no error"
    except PyMongoError as error:
        details = getattr(error, "details", None) or {}
        seen = f"{type(error).__name__}, nInserted {details.get('nInserted', 'unknown')}"
    client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    there = tasks.count_documents({}) - 1
    print(f"{what}: {there} were inserted\n  guess: {guess}\n  seen:  {seen}")
    if f"{there} inserted, {seen}" != described:
        different.append(what)


try:
    port = next(found[1] for line in server.stderr if (found := re.search(r"listening on \S+:(\d+)", line)))
    with MongoClient("127.0.0.1", int(port), retryWrites=False) as client:
        tasks = client.findings.tasks
        check(
            "bulk_write, the third a duplicate",
            None,
            lambda: tasks.bulk_write([*inserts_and_update[:2], InsertOne({"_id": 0})]),
            "BulkWriteError, nInserted 2",
            "2 inserted, BulkWriteError, nInserted 2",
        )
        check(
            "bulk_write, connection lost at the update",
            ("update", 0, cut),
            lambda: tasks.bulk_write(inserts_and_update),
            "BulkWriteError, nInserted 2",
            "2 inserted, AutoReconnect, nInserted unknown",
        )
        check(
            "bulk_write, update out of time",
            ("update", 0, refused),
            lambda: tasks.bulk_write(inserts_and_update),
            "BulkWriteError, nInserted 2",
            "2 inserted, ExecutionTimeout, nInserted unknown",
        )
        check(
            "insert_many, connection lost at the second command",
            ("insert", 1, cut),
            lambda: tasks.insert_many(documents),
            "BulkWriteError, nInserted 3",
            "3 inserted, AutoReconnect, nInserted unknown",
        )
        check(
            "MongoClient.bulk_write, connection lost at the second command",
            ("bulkWrite", 1, cut),
            lambda: client.bulk_write([InsertOne(one, namespace="findings.tasks") for one in documents]),
            "ClientBulkWriteException, nInserted 3",
            "3 inserted, ClientBulkWriteException, nInserted 3",
        )
finally:
    server.kill()
    server.wait()
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
