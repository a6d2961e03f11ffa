#!/usr/bin/env bash
# pymongo: a document read back from BSON can hold text, by isinstance, that no set and no cache takes.
#
# Guess: what is an instance of str behaves as a str: it equals the same text and has its hash, so that after
#   `isinstance(value, str)` a value from a document may be looked up in a set or a dict.
# Seen (pymongo 4.20.1, Python 3.11): JavaScript code, a type of BSON, comes back as bson.Code, a subclass of str that
#   defines equality and no hash. It is not equal to the same text; hash() and a look into a set raise TypeError; as text
#   it goes on working (length, `in`, encoding), so that the error comes far from where the document was read.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pymongo==4.20.1

"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import bson

print(f"pymongo {version('pymongo')}, Python {sys.version.split()[0]}")
different = []


def show(what: str, guess: object, seen: object, described: object) -> None:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)


def tried(function, *values: object) -> object:
    try:
        return function(*values)
    except TypeError as error:
        return f"TypeError: {error}"


value = bson.decode(bson.encode({"rule": bson.Code("daily")}))["rule"]
show("its class is a subclass of str", True, isinstance(value, str), True)
show("equal to the same text", True, value == "daily", False)
show("in a set of texts", True, tried(lambda each: each in {"daily"}, value), "TypeError: unhashable type: 'Code'")
show("a key of a dict", "daily", tried({"daily": "daily"}.get, value), "TypeError: unhashable type: 'Code'")
show("its length", 5, len(value), 5)
show("str() of it is plain and has a hash", True, str(value) in {"daily"}, True)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
