#!/usr/bin/env bash
# PyMongo: a client made with tz_aware=True gets naive datetimes out of validators and indexes.
#
# Guess: MongoClient(tz_aware=True) decodes every date as an aware datetime, so that a validator or the filter of a
#   partial index, read back, equals the one that was sent.
# Seen (pymongo 4.20.1 against a MongoDB-wire server, SecantusDB 0.7.0b3): documents have aware dates;
#   Collection.options(), Database.list_collections() and Collection.index_information() have naive ones, also when the
#   collection or database was asked for with codec options of its own. Compared with what was sent they are never
#   equal ("is the validator up to date?" says no for ever), and < raises TypeError. It is the driver's doing: the same
#   command through Database.command(..., codec_options=...) has the aware date.
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
from datetime import UTC, datetime
from importlib.metadata import version

from bson.codec_options import CodecOptions
from pymongo import MongoClient

work = sys.argv[1]
print(f"pymongo {version('pymongo')}, SecantusDB {version('SecantusDB')}, Python {sys.version.split()[0]}")
serve = ["-m", "secantus", "--port", "0", "--storage-path", f"{work}/data", "--config", f"{work}/empty.toml"]
server = subprocess.Popen([sys.executable, *serve], stderr=subprocess.PIPE, text=True)
try:
    port = next(found[1] for line in server.stderr if (found := re.search(r"listening on \S+:(\d+)", line)))
    with MongoClient("127.0.0.1", int(port), tz_aware=True, retryWrites=False) as client:
        aware = CodecOptions(tz_aware=True, tzinfo=UTC)
        database = client.get_database("findings", codec_options=aware)
        sent = {"due": {"$gte": datetime(2027, 1, 1, tzinfo=UTC)}}
        tasks = database.create_collection("tasks", validator=sent)
        tasks.create_index("due", name="due", partialFilterExpression=sent)
        tasks.insert_one({"due": sent["due"]["$gte"]})
        answer = database.command("listCollections", codec_options=aware)["cursor"]["firstBatch"]
        read = {
            "find_one": {"due": {"$gte": tasks.find_one()["due"]}},
            "command with codec options": answer[0]["options"]["validator"],
            "options": tasks.options()["validator"],
            "list_collections": next(iter(database.list_collections()))["options"]["validator"],
            "index_information": tasks.index_information()["due"]["partialFilterExpression"],
        }
finally:
    server.kill()
    server.wait()

for name, value in read.items():
    date = value["due"]["$gte"].isoformat()
    print(f"{name}\n  guess: 2027-01-01T00:00:00+00:00, equal to what was sent: True")
    print(f"  seen:  {date}, equal to what was sent: {value == sent}")
equal = {name for name, value in read.items() if value == sent}
naive = {name for name, value in read.items() if value["due"]["$gte"] == datetime(2027, 1, 1)}
if equal != {"find_one", "command with codec options"} or naive != set(read) - equal:
    sys.exit("No longer as described")
PYTHON
