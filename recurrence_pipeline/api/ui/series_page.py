"""What the page of one series shows. Pure: a story in, what the template shows out; the same for a file.

A dry run is drawn where the slots are: what changes stands with the slot, or between two.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from recurrence_pipeline.api.ui.clocks import Clock, Shown
from recurrence_pipeline.api.ui.heatmap import MONTHS, heatmap
from recurrence_pipeline.api.ui.list_page import LIST, LONGEST_TITLE
from recurrence_pipeline.api.ui.marks import WORDS, Mark, mark_of, mark_of_task
from recurrence_pipeline.domain.difference import ChangeKind, Difference, SlotChange
from recurrence_pipeline.domain.words import cut
from recurrence_pipeline.domain.zones import time_zone, wall_clock
from recurrence_pipeline.queries.series_story import SeriesStory, ToldSlot

SHOWN = 30
"""How many tasks, and how many events."""
LEAVES = "leaves"
CHANGES: Mapping[ChangeKind, str] = {
    ChangeKind.APPEARS: "would appear",
    ChangeKind.MOVES: "would move here",
    ChangeKind.CHANGES: "its content would change",
    ChangeKind.GOES: "would go",
    ChangeKind.STAYS: "stays",
}


@dataclass(slots=True)
class Item:
    """One slot of the timeline; `change` is what a dry run would make of it."""

    at: datetime
    mark: Mark | None
    text: str
    due: Shown | None
    number: str = ""
    task_id: str | None = None
    link: str | None = None
    change: str = ""
    change_text: str = ""
    why: str = ""

    @property
    def word(self) -> str:
        """What became of it."""
        return WORDS[self.mark] if self.mark is not None else ""


@dataclass(slots=True)
class Month:
    """A month of the timeline; those far from today are folded."""

    name: str
    is_open: bool
    items: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ShownTask:
    """One task of the series."""

    slot: str
    due: Shown | None
    mark: Mark
    word: str
    id: str
    link: str | None
    is_original: bool


@dataclass(frozen=True, slots=True)
class Links:
    """Where a page leads: to the application's tasks and to Dagster's runs; empty for nowhere."""

    task: str = ""
    dagster: str = ""

    def to_task(self, task_id: str, user_id: str | None = None) -> str | None:
        """Return the address of a task in the application."""
        return self.task.replace("{taskId}", task_id).replace("{userId}", user_id or "") or None

    def to_run(self, run_id: object) -> str | None:
        """Return the address of a run in Dagster."""
        is_id = isinstance(run_id, str) and run_id.replace("-", "").isalnum()
        return f"{self.dagster.rstrip('/')}/runs/{run_id}" if is_id and self.dagster else None


def series_values(
    story: SeriesStory, clock: Clock, links: Links, difference: Difference | None = None
) -> dict[str, Any]:
    """Return what the template shows."""
    view = story.view
    timeline = _Timeline(story, clock, links)
    if difference is not None:
        timeline.add(difference.changes)
    items = timeline.items
    title = cut(view.original.title, LONGEST_TITLE) if view.original is not None else ""
    tasks = _tasks(story, clock, links)
    return {
        "id": view.id,
        "title": title or "(no title)",
        "status": story.status.value,
        "words": (view.words or "")[:1].upper() + (view.words or "")[1:],
        "rule": view.rule,
        "timezone": view.timezone,
        "zone": clock.name,
        "begins": clock.time(view.original.anchor if view.original else None, view.timezone),
        "cursor": view.cursor,
        "user_id": view.original.user_id if view.original else None,
        "link": links.to_task(view.id, view.original.user_id) if view.original else None,
        "remarks": view.remarks,
        "year": story.year,
        "years": (story.year - 1, story.year + 1),
        "heatmap": heatmap(story.year, _marks(story, items), story.today),
        "legend": [(mark.value, word) for mark, word in WORDS.items()],
        "months": list(_months(items, story)),
        "tasks": tasks[:SHOWN],
        "more_tasks": max(len(tasks) - SHOWN, 0),
        "events": [_event(event, clock, links) for event in view.events[:SHOWN]],
        "more_events": max(len(view.events) - SHOWN, 0),
        "deletions": [_deletion(row, clock) for row in story.deletions],
        "href": f"{LIST}/series/{view.id}",
    }


class _Timeline:
    """The slots of a story, in the order of time."""

    def __init__(self, story: SeriesStory, clock: Clock, links: Links) -> None:
        self._clock = clock
        self._links = links
        self._now = story.now
        self._zone = story.view.timezone
        self._owner = story.view.original.user_id if story.view.original else None
        self._tasks = {member.task.id: member.task for member in story.view.members}
        slots = {(told.slot.number, told.slot.at): told for told in story.slots}
        self.items = sorted(map(self._item, slots.values()), key=lambda item: item.at)

    def _item(self, told: ToldSlot) -> Item:
        slot = told.slot
        number = "added" if slot.number is None else str(slot.number)
        link = self._links.to_task(slot.task_id, self._owner) if slot.task_id else None
        due = self._clock.time(slot.utc, self._zone)
        return Item(slot.utc, mark_of(slot, self._tasks), told.text, due, number, slot.task_id, link)

    def add(self, changes: Iterable[SlotChange]) -> None:
        """Put what a dry run says beside the slots that it speaks of, and between them what is on none."""
        of_task = {item.task_id: item for item in self.items if item.task_id is not None}
        free = {item.at: item for item in self.items if item.task_id is None}
        for change in changes:
            moves = change.kind is ChangeKind.MOVES
            item = free.get(change.due) if moves else of_task.get(change.task_id, free.get(change.due))
            if item is None:
                item = self._between(change)
                self.items.append(item)
            was = self._clock.time(change.was, self._zone) if moves else None
            if moves and change.task_id in of_task:
                before, to = of_task[change.task_id], self._clock.time(change.due, self._zone)
                before.change, before.change_text, before.why = (
                    LEAVES,
                    f"would move to {to.text if to else ''}",
                    change.why,
                )
            item.change, item.why = change.kind.value, change.why
            item.change_text = CHANGES[change.kind] + (f", from {was.text}" if was is not None else "")
        self.items.sort(key=lambda item: item.at)

    def _between(self, change: SlotChange) -> Item:
        task = self._tasks.get(change.task_id)
        mark = None if task is None else mark_of_task(task, self._now)
        number = "added" if change.slot is None else str(change.slot)
        return Item(change.due, mark, "", self._clock.time(change.due, self._zone), number)


def _marks(story: SeriesStory, items: Sequence[Item]) -> dict[date, tuple[str, str]]:
    """Return how each day of the year is drawn that has anything: as its first slot is, or as a dry run changes it."""
    tasks = {member.task.id: member.task for member in story.view.members}
    drawn = {told.day: (mark_of(told.slot, tasks).value, told.text) for told in reversed(story.slots)}
    zone = time_zone(story.view.timezone if story.slots else None)
    for item in items:
        day = wall_clock("due", item.at, zone).date()
        if item.change and day.year == story.year:
            mark, said = drawn.get(day, ("off", ""))
            drawn[day] = (f"{mark} {item.change}", f"{said} {item.change_text}".strip())
    return drawn


def _months(items: Sequence[Item], story: SeriesStory) -> Iterator[Month]:
    """Yield the months that have slots. Open are those in which a dry run changes anything, or those around today."""
    months: dict[tuple[int, int], Month] = {}
    is_dry_run = any(item.change for item in items)
    for item in items:
        at = item.at
        month = months.setdefault((at.year, at.month), Month(f"{MONTHS[at.month - 1]} {at.year}", is_open=False))
        near = abs((at.year - story.today.year) * 12 + at.month - story.today.month) <= 1
        month.is_open |= item.change not in {"", ChangeKind.STAYS.value} if is_dry_run else near
        month.items.append(item)
    if months and not any(month.is_open for month in months.values()):
        next(iter(months.values())).is_open = True
    yield from (months[key] for key in sorted(months))


def _tasks(story: SeriesStory, clock: Clock, links: Links) -> list[ShownTask]:
    """Return the tasks that are there: what is open first, then the latest."""
    view = story.view
    owner = view.original.user_id if view.original else None
    marked = [(member, mark_of_task(member.task, story.now)) for member in view.members]
    marked.sort(key=lambda each: (each[1] in {Mark.DONE, Mark.LATE}, -(each[0].slot or 0)))
    return [
        ShownTask(
            slot="" if member.slot is None else str(member.slot),
            due=clock.time(member.task.due_date, view.timezone),
            mark=mark,
            word=WORDS[mark],
            id=member.task.id,
            link=links.to_task(member.task.id, owner),
            is_original=member.task.id == view.id,
        )
        for member, mark in marked
    ]


def _event(event: Mapping[str, Any], clock: Clock, links: Links) -> dict[str, Any]:
    errors = event.get("errors")
    last = errors[-1] if isinstance(errors, list) and errors else None
    reason = f"{last.get('code')}: {last.get('message')}" if isinstance(last, Mapping) else ""
    asked = [f"{word} slot {event[name]}" for word, name in (("of", "slot"), ("from", "fromSlot")) if name in event]
    return {
        "id": str(event.get("_id")),
        "created": clock.time(event.get("createdAt")),
        "operation": " ".join(
            [str(event.get("operation")), *(["undone"] if event.get("undo") is True else []), *asked]
        ),
        "status": str(event.get("status")),
        "attempts": event.get("attempts") or 0,
        "source": str(event.get("source") or ""),
        "task_id": str(event.get("taskId")),
        "reason": reason if event.get("status") != "completed" else "",
        "run": links.to_run(event.get("runId")),
    }


def _deletion(row: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
    return {
        "id": str(row["deletion"]),
        "at": clock.time(row.get("deletedAt")),
        "by": str(row.get("deletedBy") or ""),
        "reason": str(row.get("reason") or ""),
        "tasks": row["tasks"],
        "restored": row["restored"],
    }
