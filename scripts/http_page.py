"""The page of endpoints, from the description that the API itself serves."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.pages import page, table, words

SHAPES = ("Task", "Event")
"""What is told of once, and named where an answer holds it."""

Operation = tuple[str, str, Mapping[str, Any]]
"""Method, path, and what the description says of them."""


def http_page(description: Mapping[str, Any]) -> str:
    """Tell of every endpoint."""
    operations = [(m.upper(), p, o) for p, methods in description["paths"].items() for m, o in methods.items()]
    schemas = description["components"]["schemas"]
    common = _common(operations)
    return page(
        "The internal HTTP API",
        f"{description['info']['description']} The running API serves this description at `/internal/openapi.json`, "
        "and a page of it at `/internal/docs`. [How to call it](../how-to/http-api.md) has a curl line and an answer "
        "for each.",
        *(part for each in operations for part in _endpoint(each, schemas, common)),
        *(part for name in SHAPES for part in (f"## {name}", "Its fields: " + _listed(schemas[name], schemas))),
        "## Every endpoint",
        "But for what an endpoint says otherwise:",
        table(["status", "meaning"], sorted(common.items())),
    )


def _common(operations: Sequence[Operation]) -> dict[str, str]:
    """Return what most operations say of a status, in the same words."""
    said = Counter(pair for _, _, operation in operations for pair in _said(operation).items() if pair[0] != "200")
    return {status: text for (status, text), count in said.items() if count > len(operations) / 2}


def _said(operation: Mapping[str, Any]) -> dict[str, str]:
    return {str(status): answer["description"] for status, answer in operation["responses"].items()}


def _endpoint(described: Operation, schemas: Mapping[str, Any], common: Mapping[str, str]) -> Iterator[str]:
    method, path, operation = described
    who = "the key, or a user's token for that user's own tasks" if len(operation["security"]) > 1 else "the key"
    yield f"## {method} {path}"
    yield f"{operation['description']} Who may ask: {who}."
    asked = [
        (
            f"`{p['name']}`",
            p["in"],
            "yes" if p["required"] else "no",
            _kind(p["schema"], schemas),
            p.get("description", ""),
        )
        for p in operation.get("parameters", ())
    ] + list(_body(operation, schemas))
    if asked:
        yield table(["name", "where", "required", "what", "meaning"], asked)
    for kind, answer in operation["responses"]["200"]["content"].items():
        is_json = kind == "application/json"
        yield f"The answer has: {_listed(answer['schema'], schemas)}" if is_json else f"The answer is `{kind}`."
    others = [(s, t) for s, t in sorted(_said(operation).items()) if s != "200" and common.get(s) != t]
    if others:
        yield table(["status", "meaning"], others)


def _listed(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    return words(dict.fromkeys(_fields(schema, schemas))) + "."


def _body(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    content = operation.get("requestBody", {}).get("content", {})
    kind = _named(content.get("application/json", {}).get("schema", {}), schemas)
    for name, field in kind.get("properties", {}).items():
        sometimes = f"for `{kind['if']['properties']['operation']['const']}`" if "then" in kind else "no"
        required = "yes" if name in kind.get("required", ()) else "no"
        if name in kind.get("then", {}).get("required", ()):
            required = sometimes
        yield f"`{name}`", f"body: {kind['title']}", required, _kind(field, schemas), field.get("description", "")


def _named(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    return schemas[name] if name else schema


def _kind(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    schema = _named(field, schemas)
    if "enum" in schema or "const" in schema:
        return words(schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(_kind(each, schemas) for each in schema["anyOf"])
    bounds = f" {int(schema['minimum'])} to {int(schema['maximum'])}" if "maximum" in schema else ""
    default = f", default {schema['default']}" if "default" in schema else ""
    return "24 hex digits" if "pattern" in schema else f"{schema.get('type', 'any')}{bounds}{default}"


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any], inside: str = "") -> Iterator[str]:
    """Yield the fields of an answer with dots between, lists as `[]`."""
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    if name in SHAPES:
        yield f"{inside}: {name}"
    elif name:
        yield from _fields(schemas[name], schemas, inside)
    for each in schema.get("anyOf", ()):
        yield from _fields(each, schemas, inside)
    if "items" in schema:
        yield from _fields(schema["items"], schemas, f"{inside}[]")
    for name, field in schema.get("properties", {}).items():
        below = list(_fields(field, schemas, f"{inside}.{name}" if inside else name))
        yield from below or [f"{inside}.{name}" if inside else name]
