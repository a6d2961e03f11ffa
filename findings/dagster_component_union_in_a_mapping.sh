#!/usr/bin/env bash
# Dagster components: a mapping whose values may be a model, a text or a number takes no text and no number.
#
# Guess: an attribute `values: dict[str, Variable | str | int]` of a component, with Variable resolvable, can be filled
#   in YAML by {a: {env: X}}, {a: text} and {a: 3}; the list of the same union likewise.
# Seen (dagster 1.13.27, pydantic 2.14, Python 3.11): the union moves out of the mapping. What is read is "a mapping of
#   models, or a text, or a number": {a: text} is refused ("should be a valid dictionary or instance of VariableModel"),
#   and a bare text in the place of the whole mapping is accepted. A list is treated the same. A plain dict[str, str |
#   int], and the union by itself, are read as written.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27

DAGSTER_HOME='' "$work/venv/bin/python" - 2>/dev/null <<'PYTHON'
import sys
from importlib.metadata import version

import dagster as dg
from pydantic import ValidationError

packages = ("dagster", "pydantic")
print(", ".join(f"{name} {version(name)}" for name in packages) + f", Python {sys.version.split()[0]}")


class Variable(dg.Model, dg.Resolvable):
    env: str


class Settings(dg.Component, dg.Model, dg.Resolvable):
    mapping: dict[str, Variable | str | int] = {}
    sequence: list[Variable | str | int] = []
    plain: dict[str, str | int] = {}
    alone: Variable | str | int = ""

    def build_defs(self, context):
        return dg.Definitions()


def read(name, value):
    """Say whether YAML with this value of an attribute is valid."""
    try:
        Settings.get_model_cls().model_validate({name: value})
    except ValidationError:
        return "refused"
    return "read"


different = []
for name, value, guess, described in (
    ("mapping", {"a": {"env": "X"}}, "read", "read"),
    ("mapping", {"a": "text"}, "read", "refused"),
    ("mapping", {"a": 3}, "read", "refused"),
    ("mapping", "text", "refused", "read"),
    ("sequence", ["text"], "read", "refused"),
    ("sequence", "text", "refused", "read"),
    ("plain", {"a": "text"}, "read", "read"),
    ("alone", "text", "read", "read"),
):
    seen = read(name, value)
    print(f"{name}: {value!r}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(f"{name}: {value!r}")
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
