"""Series as an iCalendar file (RFC 5545), written piece by piece. What is in a series is domain/recurrence_set.py's.

Each series is one VTODO, with another for each changed instance; each zone has its VTIMEZONE before the first series
that needs it. The package `icalendar` escapes and folds. Zones are our own: it writes when summer time begins an hour
late (findings/icalendar_summer_time_begins_an_hour_late.sh).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, tzinfo

from icalendar import Component, Timezone, TimezoneDaylight, TimezoneStandard, Todo, vRecur

from recurrence_pipeline.domain.ids import time_of
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.observances import Observance, observances
from recurrence_pipeline.domain.recurrence_set import ChangedInstance, RecurrenceSet
from recurrence_pipeline.domain.zones import UTC

HEAD = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//recurrence-pipeline//recurring tasks//EN\r\nCALSCALE:GREGORIAN\r\n"
    "X-WR-CALNAME:Recurring tasks\r\n"
)
TAIL = "END:VCALENDAR\r\n"
DOMAIN = "recurrence-pipeline"
PRIORITIES: Mapping[object, int] = {"urgent": 1, "high": 1, "medium": 5, "low": 9}
"""RFC 5545, section 3.8.1.9: 1 is the highest; of three levels these are the middle ones. Other words say nothing."""
DUE_AFTER_START = timedelta(seconds=1)
"""DUE must be later than DTSTART (section 3.8.2.3), and a task of ours has but one time: the least that can be said."""
DATES_OF_A_LINE = 100
"""libical, and so Evolution and KOrganizer, reads 500 dates of a property and drops the others without a word."""

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What TEXT may not hold, and what some readers take for the end of a line."""


def calendar_text(pages: Iterable[Iterable[RecurrenceSet]]) -> Iterator[str]:
    """Yield the text of a calendar, one piece for each page of series and one for the end."""
    begun, zones = HEAD, set[tzinfo]()
    for page in pages:
        series = list(page)
        new = {each.zone: None for each in series if each.zone is not UTC and each.zone not in zones}
        zones |= new.keys()
        yield begun + "".join([*map(zone_text, new), *map(_series, series)])
        begun = ""
    yield begun + TAIL


def _series(series: RecurrenceSet) -> str:
    zone, original = series.zone, series.original
    todo = _todo(original, original)
    _add_times(todo, _on(zone, series.start))
    if series.rule is not None:
        todo.add("RRULE", vRecur.from_ical(series.rule))
    for name, dates in (("EXDATE", series.excluded), ("RDATE", series.added)):
        for first in range(0, len(dates), DATES_OF_A_LINE):
            todo.add(name, [_on(zone, at) for at in dates[first : first + DATES_OF_A_LINE]])
    return "".join(map(_text, (todo, *(_instance(series, each) for each in series.changed))))


def _instance(series: RecurrenceSet, changed: ChangedInstance) -> Todo:
    task = changed.task
    todo = _todo(series.original, task)
    todo.add("RECURRENCE-ID", _on(series.zone, changed.at))
    _add_times(todo, _shown(series.zone, changed.due))
    todo.add("STATUS", "COMPLETED" if task.is_completed else "NEEDS-ACTION")
    if task.is_completed:
        todo.add("COMPLETED", task.completed_at or _modified(task))
    return todo


def _todo(original: Task, task: Task) -> Todo:
    """Return what every component says: which series it is of, and its content."""
    todo, modified = Todo(), _modified(task)
    todo.add("UID", f"{original.id}@{DOMAIN}")
    todo.add("DTSTAMP", modified)
    todo.add("LAST-MODIFIED", modified)
    todo.add("SUMMARY", _clean(task.title))
    for name, value in (("DESCRIPTION", task.content.get("description")), ("CATEGORIES", task.content.get("category"))):
        if isinstance(value, str) and (text := _clean(value)):
            todo.add(name, [text] if name == "CATEGORIES" else text)
    priority = task.content.get("priority")
    if isinstance(priority, str) and priority.lower() in PRIORITIES:
        todo.add("PRIORITY", PRIORITIES[priority.lower()])
    return todo


def _modified(task: Task) -> datetime:
    return task.updated_at or task.created_at or time_of(task.id)


def _add_times(todo: Todo, start: datetime) -> None:
    todo.add("DTSTART", start)
    todo.add("DUE", (start.replace(tzinfo=None) + DUE_AFTER_START).replace(tzinfo=start.tzinfo))


def _on(zone: tzinfo, wall: datetime) -> datetime:
    """Return a time of the wall clock with its zone, which makes the library write it as it is, with TZID."""
    return wall.replace(tzinfo=zone, fold=0)


def _shown(zone: tzinfo, instant: datetime) -> datetime:
    """Return an instant in a zone; in UTC where its clocks show the same a second time, which means the first."""
    local = instant.astimezone(zone)
    return instant if local.fold else local


def _clean(text: str) -> str:
    return _NOT_TEXT.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))


def _text(component: Component) -> str:
    return str(component.to_ical(), "utf-8")


def zone_text(zone: tzinfo) -> str:
    """Return the VTIMEZONE of a zone."""
    found = Timezone()
    found.add("TZID", str(zone))
    for each in observances(zone):
        found.add_component(_observance(each))
    return _text(found)


def _observance(observance: Observance) -> Component:
    part = (TimezoneDaylight if observance.after.is_daylight else TimezoneStandard)()
    part.add("TZOFFSETFROM", observance.before)
    part.add("TZOFFSETTO", observance.after.ahead)
    part.add("TZNAME", observance.after.name)
    part.add("DTSTART", observance.starts[0])
    if observance.rule is not None:
        part.add("RRULE", vRecur.from_ical(observance.rule))
    if len(observance.starts) > 1:
        for start in observance.starts:  # the first, too, and each by itself, or ical.js passes it over
            part.add("RDATE", [start])
    return part
