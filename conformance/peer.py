"""A program for an environment that has a peer installed: answers questions about rules, and says how long it took.

It reads one question a line (see `peers.Question`) and writes one answer a line. Run by `peers.ask`, in the peer's own
environment: so it imports the standard library, and the peer.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from time import perf_counter
from typing import Any, TypeAlias

Asked: TypeAlias = Callable[[], Iterable[datetime]]


def dateutil(question: dict[str, Any]) -> Asked:
    """Ask python-dateutil, or what is a drop-in of it."""
    from dateutil.rrule import rrulestr

    rule = rrulestr(_lines(question))
    known, count = _known(question), question["count"]
    if known is None:
        return lambda: islice(rule, count)
    if hasattr(rule, "xafter"):
        return lambda: rule.xafter(known, count=count)

    def after(at: datetime = known) -> Iterator[datetime]:
        for _ in range(count):
            following = rule.after(at)
            if following is None:
                return
            yield following
            at = following

    return after


def recurring_ical_events(question: dict[str, Any]) -> Asked:
    """Ask recurring-ical-events about a calendar of one event."""
    from icalendar import Calendar
    from recurring_ical_events import of

    calendar = Calendar.from_ical(_calendar(question))
    start = datetime.fromisoformat(question["start"]) - timedelta(days=1)
    return lambda: (event["DTSTART"].dt for event in islice(of(calendar).after(start), question["count"]))


def ical(question: dict[str, Any]) -> Asked:
    """Ask the package ical about a calendar of one event."""
    from ical.calendar_stream import IcsCalendarStream

    calendar = IcsCalendarStream.calendar_from_ics(_calendar(question).replace("\r\n", "\n"))
    return lambda: (event.dtstart for event in islice(calendar.timeline, question["count"]))


PEERS = {
    "python-dateutil": dateutil,
    "python-dateutil-rs": dateutil,
    "recurring-ical-events": recurring_ical_events,
    "ical": ical,
}


def _lines(question: dict[str, Any]) -> str:
    start = datetime.fromisoformat(question["start"])
    zone = f";TZID={question['zone']}" if question["zone"] else ""
    return f"DTSTART{zone}:{start:%Y%m%dT%H%M%S}\nRRULE:{question['rule']}"


def _calendar(question: dict[str, Any]) -> str:
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//peers//EN",
        "BEGIN:VEVENT",
        "UID:1",
        "DTSTAMP:19970101T000000Z",
    ]
    return "\r\n".join([*lines, *_lines(question).split("\n"), "DURATION:PT1H", "END:VEVENT", "END:VCALENDAR", ""])


def _known(question: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(question["after"]) if question["after"] else None


def best(call: Callable[[], object], seconds: float) -> float:
    """Return the microseconds of one call in the best of several rounds: what disturbs only ever adds."""
    began = perf_counter()
    call()
    once = perf_counter() - began
    times = max(1, int(seconds / 10 / max(once, 1e-9)))
    rounds: list[float] = []
    while len(rounds) < 3 or perf_counter() < began + seconds:
        begin = perf_counter()
        for _ in range(times):
            call()
        rounds.append((perf_counter() - begin) / times)
    return min(rounds) * 1e6


def answer(peer: Callable[[dict[str, Any]], Asked], question: dict[str, Any]) -> dict[str, Any]:
    """Return what a peer says, or what it raises."""
    try:
        asked = peer(question)
        found = [f"{time:%Y-%m-%dT%H:%M}" for time in asked()]
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    seconds = question["seconds"]
    return {"found": found} | ({"us": best(lambda: list(asked()), seconds)} if seconds else {})


def main() -> None:
    """Answer each line."""
    peer = PEERS[sys.argv[1]]
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(peer, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
