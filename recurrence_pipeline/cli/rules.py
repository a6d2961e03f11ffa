"""Trying rules out: `rule`. No database is asked. Tasks may have the three rules of the application only, so far."""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from recurrence_pipeline.cli.session import OK, Json, Panel, Session, app
from recurrence_pipeline.domain.errors import InvalidInput, RecurrenceError

MOST = 10_000


@app.command(
    rich_help_panel=Panel.LOOK, epilog='Example: recurrence rule "FREQ=MONTHLY;BYDAY=-1FR" --start 2027-01-29T09:00'
)
def rule(
    context: typer.Context,
    text: Annotated[
        str,
        typer.Argument(metavar="RULE", help="An RRULE, `daily`, `weekly`, `monthly`, `yearly`, or - for JSON lines."),
    ],
    *,
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="TIME", help="Slot 0 on the wall clock: 2027-01-29T09:00. Not given: now."),
    ] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="NAME", help="The IANA time zone of that clock.")
    ] = "UTC",
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=MOST, help="How many slots.")] = 10,
    as_json: Json = False,
) -> int:
    """Show where a rule of RFC 5545 falls.

    A worker makes occurrences for daily, weekly and monthly tasks only, so far; this tries any rule out. With `-` it
    reads lines such as `{"id": 1, "rule": "FREQ=DAILY", "start": "2027-01-29T09:00", "timezone": "UTC", "count": 3}`
    from its input, and answers each with a line that has `slots` or an `error`.
    """
    from recurrence_pipeline.views.rules import rule_view

    session: Session = context.obj
    if text == "-":
        for answer in answers(sys.stdin):
            sys.stdout.write(json.dumps(answer) + "\n")
        return OK
    given = {"rule": text, "start": start, "timezone": timezone, "count": count}
    session.show(slots_of(given), rule_view, as_json=as_json)
    return OK


def answers(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Answer lines of JSON one by one: `{id, slots}`, or `{id, error}` where one cannot be answered."""
    for line in lines:
        if not line.strip():
            continue
        asked: Any = None
        try:
            asked = json.loads(line)
            if not isinstance(asked, dict):
                raise InvalidInput("the line is no object")
            yield {"id": asked.get("id"), "slots": slots_of(asked)["slots"]}
        except (RecurrenceError, ValueError) as error:
            yield {"id": asked.get("id") if isinstance(asked, dict) else None, "error": str(error)}


def slots_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Return `{rule, start, timezone, slots}` for a rule, its start, zone and count; times are on the wall clock.

    Raises:
        InvalidInput, InvalidRecurrence: one of them cannot be.
    """
    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.instances import require_instance, slots_on_wall
    from recurrence_pipeline.domain.rules import REPEAT_TYPES, parse_rule
    from recurrence_pipeline.domain.zones import time_zone, wall_clock

    zone = time_zone(asked.get("timezone") or "UTC")
    given = asked.get("rule")
    parsed = REPEAT_TYPES.get(given) if isinstance(given, str) else None
    parsed = parsed or parse_rule(given)  # type: ignore[arg-type] # what is no text is refused there
    now = wall_clock("now", utc_now(), zone).replace(second=0, microsecond=0, tzinfo=None)
    anchor = now if asked.get("start") is None else _wall(asked["start"])
    require_instance(parsed, anchor)
    found = slots_on_wall(parsed, anchor, _count(asked.get("count", 10)), zone)
    return {
        "rule": str(parsed),
        "start": anchor.isoformat(),
        "timezone": str(asked.get("timezone") or "UTC"),
        "slots": [slot.isoformat() for slot in found],
    }


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise InvalidInput(f"count: {value!r} is not a whole number from 1 to {MOST}")
    return value


def _wall(text: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise InvalidInput(f"start: {text!r} is not a time on the wall clock such as 2027-01-29T09:00")
    return found
