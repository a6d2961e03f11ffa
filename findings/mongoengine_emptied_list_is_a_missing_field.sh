#!/usr/bin/env bash
# MongoEngine: a new document has its empty lists; one whose list is emptied later has no such field any more.
#
# Guess: [] is stored as [], by the first save and by every later one, so that one document emptied and another that
#   never had anything look the same to whoever else reads the collection.
# Seen (MongoEngine 0.29.3, pymongo 4.20.1, a MongoDB-wire server, SecantusDB 0.7.0b3): the first save writes
#   `links: []` and `options: {}`; a later one that empties them takes the fields away ($unset). So of two tasks that
#   are equal in Python one is found by {links: []} and one by {links: {$exists: false}}, and where a validator of the
#   collection requires the field, the save that empties it fails.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  mongoengine==0.29.3 pymongo==4.20.1 SecantusDB==0.7.0b3
touch "$work/empty.toml"

"$work/venv/bin/python" - "$work" <<'PYTHON'
import re
import subprocess
import sys
from importlib.metadata import version

from mongoengine import DictField, Document, ListField, OperationError, StringField, connect

work = sys.argv[1]
packages = ("mongoengine", "pymongo", "SecantusDB")
print(", ".join(f"{name} {version(name)}" for name in packages) + f", Python {sys.version.split()[0]}")


class Task(Document):
    title = StringField()
    links = ListField(StringField())
    options = DictField()


serve = ["-m", "secantus", "--port", "0", "--storage-path", f"{work}/data", "--config", f"{work}/empty.toml"]
server = subprocess.Popen([sys.executable, *serve], stderr=subprocess.PIPE, text=True)
try:
    port = next(found[1] for line in server.stderr if (found := re.search(r"listening on \S+:(\d+)", line)))
    client = connect("findings", host=f"mongodb://127.0.0.1:{port}/?retryWrites=false")
    stored = client["findings"]["task"]
    never = Task(title="never had any").save()
    emptied = Task(title="emptied", links=["https://example.org"], options={"color": "red"}).save()
    emptied.links, emptied.options = [], {}
    emptied.save()
    fields = {task.title: sorted(stored.find_one({"_id": task.id}).keys() - {"_id", "title"}) for task in (never, emptied)}
    again = Task.objects.get(id=emptied.id)
    is_equal = (again.links, again.options) == (never.links, never.options)

    client["findings"].command("collMod", "task", validator={"$jsonSchema": {"required": ["links"]}})
    full = Task(title="full", links=["https://example.org"]).save()
    full.links = []
    try:
        full.save()
        answer = "saved"
    except OperationError:
        answer = "refused by the validator"
finally:
    server.kill()
    server.wait()

both = ["links", "options"]
print(f"never had any\n  guess: {both}\n  seen:  {fields['never had any']}")
print(f"emptied, and equal in Python: {is_equal}\n  guess: {both}\n  seen:  {fields['emptied']}")
print(f"emptied under a validator that requires links\n  guess: saved\n  seen:  {answer}")
as_described = (fields["never had any"], fields["emptied"], is_equal, answer) == (both, [], True, "refused by the validator")
sys.exit(0 if as_described else "No longer as described")
PYTHON
