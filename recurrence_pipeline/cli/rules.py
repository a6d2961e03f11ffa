"""Trying rules out: `rule`. No database is asked."""

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
    rich_help_panel=Panel.LOOK,
    epilog='Example: recurrence rule "the last Friday of every month" --start 2027-01-29T09:00',
)
def rule(
    context: typer.Context,
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="RULE",
            help="English words such as `every other Tuesday`, an RRULE, `daily`, `weekly`, `monthly`, `yearly`, "
            "or - for JSON lines.",
        ),
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
    """Show what a rule says, and where it falls.

    Words are those that people use: `every weekday`, `every 2 weeks on Monday and Thursday until 31 Dec 2026`,
    `the 1st and 15th`, `the last working day of the month`, `every year on 24 December, 10 times`. What may mean two
    rules, such as `biweekly`, is refused with both. What contains an = is read as a rule of RFC 5545. With `-` the
    command reads lines such as
    `{"id": 1, "rule": "every 3 days", "start": "2027-01-29T09:00", "timezone": "UTC", "count": 3}` from its
    input, and answers each with a line that has `slots` or an `error`.
    """
    from recurrence_pipeline.views.rules import rule_view

    session: Session = context.obj
    if text == ["-"]:
        for answer in answers(sys.stdin):
            sys.stdout.write(json.dumps(answer) + "\n")
        return OK
    given = {"rule": " ".join(text), "start": start, "timezone": timezone, "count": count}
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
    """Return `{rule, words, start, timezone, slots}` for a rule, its start, zone and count; times as clocks show them.

    `words` is None for a rule that English has no sentence for.

    Raises:
        InvalidInput, InvalidRecurrence: one of them cannot be.
    """
    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.calendar import timed
    from recurrence_pipeline.domain.english import read, typed_rule
    from recurrence_pipeline.domain.instances import require_instance
    from recurrence_pipeline.domain.zones import UTC, time_zone, wall_clock

    zone = time_zone(asked.get("timezone") or "UTC")
    parsed = typed_rule(asked.get("rule"))
    now = wall_clock("now", utc_now(), zone).replace(second=0, microsecond=0, tzinfo=None)
    anchor = now if asked.get("start") is None else _wall(asked["start"])
    require_instance(parsed, anchor)
    found = timed(anchor.replace(tzinfo=UTC), parsed, 0, _count(asked.get("count", 10)), zone)
    return {
        "rule": str(parsed),
        "words": read(parsed),
        "start": anchor.isoformat(),
        "timezone": str(asked.get("timezone") or "UTC"),
        "slots": [slot.replace(tzinfo=None).isoformat() for slot, _ in found],
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
