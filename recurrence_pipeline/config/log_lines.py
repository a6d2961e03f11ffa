"""How long a log line may be: one field of megabytes would push all others out of the files that are kept. Pure."""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

LONGEST = 16 * 1024
"""In characters; of a line of JSON, which writes others as escapes, in bytes too."""
ALWAYS = frozenset({
    "timestamp", "level", "service", "logger", "event", "operation", "taskId", "userId", "error", "details",
    "requestId", "originalError", "retryAttempt", "maxRetries",
})  # fmt: skip
"""Fields that a line keeps in any case, cut where they are long."""
STEPS = ((4096, 30), (1024, 30), (256, 30), (64, 30), (64, 0))
"""What a line that is too long gets to keep, until it is not: so much of each field, and so many further fields."""


def bounded(line: str) -> str:
    """Return a line as it is or, where it is too long, cut to size, with a mark where that was; JSON stays JSON."""
    if len(line) <= LONGEST:
        return line
    event = _json(line)
    if not isinstance(event, dict):
        return _cut(line, LONGEST - 100)
    for longest, fields in STEPS:
        line = json.dumps(_shortened(event, longest, fields))
        if len(line) <= LONGEST:
            break
    return line


def _shortened(event: Mapping[str, Any], longest: int, fields: int) -> dict[str, Any]:
    further = set(islice((name for name in event if name not in ALWAYS), fields))
    kept = {name: value for name, value in event.items() if name in ALWAYS or name in further}
    return {_cut(name, 64): _value(name, value, longest, fields) for name, value in kept.items()}


def _value(name: str, value: Any, longest: int, fields: int) -> Any:
    if name == "details" and isinstance(value, Mapping):
        return _shortened(value, longest, fields)
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= longest else _cut(text, longest)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}... (cut, of {len(text)} characters)"
