#!/usr/bin/env bash
# ODMantic: saving a model whose document somebody else has deleted writes a fragment of it.
#
# Guess: save() of what was loaded and has gone since either raises, changes nothing, or writes the whole document anew,
#   for it is an upsert by design.
# Seen (ODMantic 1.1.0, motor 3.7.1, a MongoDB-wire server, SecantusDB 0.7.0b3): the upsert sets only what was assigned
#   since the load, and every list and dictionary. The document that appears has its old _id, the new title, its links,
#   and no user, date or anything else; the model still has them all. To load it again raises, for fields are missing.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  odmantic==1.1.0 motor==3.7.1 pymongo==4.20.1 SecantusDB==0.7.0b3
touch "$work/empty.toml"

"$work/venv/bin/python" - "$work" <<'PYTHON'
import asyncio
import re
import subprocess
import sys
from datetime import datetime
from importlib.metadata import version

from motor.motor_asyncio import AsyncIOMotorClient
from odmantic import AIOEngine, Model
from odmantic.exceptions import DocumentParsingError

work = sys.argv[1]
packages = ("odmantic", "motor", "pymongo", "SecantusDB")
print(", ".join(f"{name} {version(name)}" for name in packages) + f", Python {sys.version.split()[0]}")


class Task(Model):
    title: str
    user: str
    due: datetime
    links: list[str]


async def save_what_has_gone(port: str) -> tuple[list[str], list[str], str]:
    client = AsyncIOMotorClient(f"mongodb://127.0.0.1:{port}/?retryWrites=false")
    engine = AIOEngine(client, "findings")
    await engine.save(Task(title="Standup", user="somebody", due=datetime(2027, 1, 31, 9), links=[]))
    task = await engine.find_one(Task)
    await client["findings"]["task"].delete_one({})
    task.title = "Standup, later"
    await engine.save(task)
    fragment = sorted(await client["findings"]["task"].find_one())
    try:
        await engine.find_one(Task)
        again = "loaded"
    except DocumentParsingError:
        again = "DocumentParsingError"
    return fragment, sorted(task.model_dump()), again


serve = ["-m", "secantus", "--port", "0", "--storage-path", f"{work}/data", "--config", f"{work}/empty.toml"]
server = subprocess.Popen([sys.executable, *serve], stderr=subprocess.PIPE, text=True)
try:
    port = next(found[1] for line in server.stderr if (found := re.search(r"listening on \S+:(\d+)", line)))
    fragment, model, again = asyncio.run(save_what_has_gone(port))
finally:
    server.kill()
    server.wait()

print(f"fields stored after the save\n  guess: none, or all: {model}\n  seen:  {fragment}")
print(f"loaded once more\n  guess: loaded\n  seen:  {again}")
as_described = fragment == ["_id", "links", "title"] and again == "DocumentParsingError"
sys.exit(0 if as_described else "No longer as described")
PYTHON
