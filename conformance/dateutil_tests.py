"""The rules and dates in python-dateutil's own test suite, read out of its source distribution when it is asked for.

Nothing of it is kept here: a case is what one `assertEqual(list(rrule(...)), [...])` says, and so of rrulestr.
"""

import ast
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from conformance.peers import NotInstalled
from recurrence_pipeline.domain.rules import WEEKDAYS

SDIST = "python-dateutil==2.9.0.post0"
FETCHING = 120
"""Seconds."""

_PARTS = {
    "interval": "INTERVAL", "count": "COUNT", "until": "UNTIL", "bymonth": "BYMONTH", "bymonthday": "BYMONTHDAY",
    "byyearday": "BYYEARDAY", "byweekno": "BYWEEKNO", "byweekday": "BYDAY", "bysetpos": "BYSETPOS", "wkst": "WKST",
    "byhour": "BYHOUR", "byminute": "BYMINUTE", "bysecond": "BYSECOND", "byeaster": "BYEASTER",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A rule of a test, and the times that it wants; DTSTART is not among them where it is not on the rule."""

    name: str
    rule: str
    start: datetime
    wanted: tuple[datetime, ...]


def fetch(folder: Path) -> str:
    """Return the source of the tests of rules.

    Raises:
        NotInstalled: the distribution cannot be had.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--no-binary=:all:", "--dest", str(folder), SDIST]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=FETCHING, check=False)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"its download did not end within {FETCHING} s") from None
    found = list(folder.glob("*.tar.gz"))
    if ran.returncode or not found:
        raise NotInstalled((ran.stderr.strip().splitlines() or ["pip found none"])[-1])
    with tarfile.open(found[0]) as archive:
        member = next(each for each in archive.getmembers() if each.name.endswith("/tests/test_rrule.py"))
        file = archive.extractfile(member)
        assert file is not None  # noqa: S101 - it is a file
        return file.read().decode("utf-8")


def cases(source: str) -> Iterator[Case]:
    """Yield the cases of the tests, in their order."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and (found := _case(node.name, call)):
                    yield found


def _case(name: str, call: ast.Call) -> Case | None:
    match call:
        case ast.Call(
            func=ast.Attribute(attr="assertEqual"),
            args=[
                ast.Call(func=ast.Name(id="list"), args=[ast.Call(func=ast.Name(id=kind)) as rule]),
                ast.List() as dates,
            ],
        ) if kind in {"rrule", "rrulestr"}:
            try:
                options = {str(each.arg): _value(each.value) for each in rule.keywords}
                wanted = tuple(_value(date) for date in dates.elts)
                found = (_of_arguments if kind == "rrule" else _of_text)(_value(rule.args[0]), options)
            except ValueError:  # an expression that is no plain value: another zone, a function
                return None
            return Case(name, found[0], found[1], wanted) if found else None
    return None


def _of_arguments(frequency: str, options: dict[str, Any]) -> tuple[str, datetime]:
    start = options.pop("dtstart")
    parts = [f"{_PARTS[name]}={_text(value)}" for name, value in options.items() if name in _PARTS]
    return ";".join([f"FREQ={frequency}", *parts]).replace("BYDAY=;", ""), start


def _of_text(text: str, options: dict[str, Any]) -> tuple[str, datetime] | None:
    """Read lines with one RRULE and nothing beside DTSTART; others are no rule of their own."""
    lines = [line.strip() for line in text.upper().splitlines() if line.strip()]
    rules = [line for line in lines if line.startswith(("RRULE", "FREQ"))]
    starts = [line.partition(":")[2] for line in lines if line.startswith("DTSTART:")]
    if len(rules) != 1 or len(rules) + len(starts) != len(lines) or "unfold" in options:
        return None
    start = options.get("dtstart") or datetime.strptime(starts[0], "%Y%m%dT%H%M%S")  # noqa: DTZ007 - on the wall clock
    return rules[0].removeprefix("RRULE:"), start


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y%m%dT%H%M%S}"
    if isinstance(value, (list, tuple, range)):
        return ",".join(map(_text, value))
    return str(value)


def _value(node: ast.expr) -> Any:
    """Return what an expression of the tests says; weekdays and frequencies as they are written in a rule."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return [_value(each) for each in elements]
        case ast.Call(func=ast.Name(id="datetime"), args=arguments):
            return datetime(*(_value(each) for each in arguments))  # noqa: DTZ001 - on the wall clock
        case ast.Call(func=ast.Name(id="range"), args=arguments):
            return range(*(_value(each) for each in arguments))
        case ast.Call(func=ast.Name(id=name), args=[number]) if name in WEEKDAYS:
            return f"{_value(number)}{name}"
    return ast.literal_eval(node)
