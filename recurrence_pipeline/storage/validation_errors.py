"""Why a validator of the database refused a document: the server says so in `errInfo`, which no driver prints.

https://www.mongodb.com/docs/manual/core/schema-validation/handle-invalid-documents/
A rule that has a description is told by that, any other by field, reason and value. What is made of it is mongo.py's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from recurrence_pipeline.domain.words import cut

MAX_VALUE, MAX_REASON = 60, 300
"""Characters of a value, and of all that is said: documents hold long texts."""
_NOT_SAID = frozenset({"consideredValue", "consideredType", "specifiedAs"})
_EITHER = frozenset({"anyOf", "oneOf", "$or"})


def validation_reason(details: Mapping[str, Any] | None) -> str:
    """Return what the rules that were not met say, in one line; an empty text where the error is another.

    Args:
        details: the server's answer, or one write error of a bulk.
    """
    info = (details or {}).get("errInfo") or {}
    return cut("; ".join(dict.fromkeys(_said(info.get("details") or {}, ""))), MAX_REASON)


def _said(node: Any, field: str) -> Iterator[str]:
    if isinstance(node, list):
        for each in node:
            yield from _said(each, field)
    elif isinstance(node, Mapping):
        yield from _rule(node, str(node.get("propertyName", field)))


def _rule(node: Mapping[str, Any], field: str) -> Iterator[str]:
    prefix = f"{field}: " if field else ""
    if "description" in node:
        yield f"{prefix}{node['description']}{_value(node)}"
    elif "missingProperties" in node:
        yield f"{prefix}missing: {', '.join(node['missingProperties'])}"
    elif unknown := _names(node.get("additionalProperties")):
        yield f"{prefix}no other fields are allowed, such as {unknown}"
    else:
        inner = [value for key, value in node.items() if key not in _NOT_SAID]
        said = list(dict.fromkeys(_said(inner, field)))
        if said:
            yield from [", or ".join(said)] if node.get("operatorName") in _EITHER else said
        elif "reason" in node:
            wanted = "".join(f", {value!r} is expected" for value in (node.get("specifiedAs") or {}).values())
            yield f"{field or node.get('operatorName')}: {node['reason']}{wanted}{_value(node)}"


def _names(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else ""


def _value(node: Mapping[str, Any]) -> str:
    """Return the value that was refused; below a description it stands in the rule that the description is of."""
    while "consideredValue" not in node:
        details = node.get("details")
        inner = details[0] if isinstance(details, list) and details else details
        if not isinstance(inner, Mapping):
            return ""
        node = inner
    return f" (it is {cut(repr(node['consideredValue']), MAX_VALUE)})"
