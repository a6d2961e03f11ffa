#!/usr/bin/env bash
# FastAPI: a null in an example of a schema is left out of the OpenAPI document, and the example breaks its own schema.
#
# Guess: an example that is given stands in the document as it was given; a null in it stays, wherever the example is.
# Seen (FastAPI 0.165.0, pydantic 2.14.4): the document is encoded without what is None, at every depth. An example of a
#   field, a model or a response loses its nulls: a required field that may be null is missing from its own example, and
#   a list keeps its nulls. What `app.openapi_schema` is given afterwards stays. (The guess of a null in a list was
#   written down before it was seen; that of objects when the effect was known.)
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check fastapi==0.165.0 pydantic==2.14.4 jsonschema==4.25.1

"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from fastapi import FastAPI
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field

print(f"fastapi {version('fastapi')}, pydantic {version('pydantic')}, Python {sys.version.split()[0]}")


class Slot(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"number": 1, "was": None}]})
    number: int
    was: str | None


class Answer(BaseModel):
    slot: Slot = Field(examples=[{"number": 2, "was": None}])
    names: list[str | None] = Field(examples=[["a", None]])


app = FastAPI()


@app.get("/answer", responses={200: {"content": {"application/json": {"example": {"was": None, "names": [None]}}}}})
def answer() -> Answer:
    raise NotImplementedError


given = Slot.model_json_schema()["examples"][0]
document = app.openapi()
schemas = document["components"]["schemas"]
slot, fields = schemas["Slot"], schemas["Answer"]["properties"]
response = document["paths"]["/answer"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
fits = Draft202012Validator({"required": slot["required"]}).is_valid(slot["examples"][0])
print(f"pydantic's own schema has the example {given}")
cases = (
    ("example of a model", slot["examples"][0], {"number": 1, "was": None}, {"number": 1}),
    ("example of a field", fields["slot"]["examples"][0], {"number": 2, "was": None}, {"number": 2}),
    ("example with a list", fields["names"]["examples"][0], ["a", None], ["a", None]),
    ("example of a response", response, {"was": None, "names": [None]}, {"names": [None]}),
    ("the model's example fits its schema", fits, True, False),
)
different = []
for what, seen, guess, described in cases:
    print(f"{what}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
