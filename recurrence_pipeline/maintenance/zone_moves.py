"""A user moves to another time zone, and the open tasks of the user's series with them. A person asks for it.

What moves where is decided in domain/zone_moves.py. The order of writes: open tasks, what the series counts from, the
original, what of it is followed, and open tasks once more. Killed anywhere, the same command goes on: what is in its
new zone is left alone, and the zone of the original says that a series has moved. In between, a worker counts slots by
what the series counts from, and copies the zone of the original, which is the old one until then: what it makes
meanwhile is found by the second look, or by the next run.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import Any

from recurrence_pipeline.domain.errors import InvalidInput, InvalidRecurrence
from recurrence_pipeline.domain.memory import digest_of
from recurrence_pipeline.domain.recurrence import read_recurrence
from recurrence_pipeline.domain.time_zone_changes import is_ahead
from recurrence_pipeline.domain.zone_moves import Keep, SeriesClock, Stays, TaskDates, moved_clock, moved_dates
from recurrence_pipeline.domain.zones import time_zone, wall_clock, wall_text
from recurrence_pipeline.maintenance.time_zones import CHANGED_SINCE, LISTED, MoveRow, Moves, tell, tell_untold
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import Document, is_touched, new_id, object_id, task_from
from recurrence_pipeline.storage.task_edits import TaskEdit
from recurrence_pipeline.storage.task_moves import move_of, moving
from recurrence_pipeline.storage.zones import StoredClock
from recurrence_pipeline.worker.context import WorkerContext, WriteStep

A_PAGE = 50
"""Series that are moved together; all their open tasks are in memory at once."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Who moves where, from where (None: from wherever a series is), and what is kept."""

    user_id: str
    to: str
    since: str | None
    keep: Keep


@dataclass(slots=True)
class MovedUser(Moves):
    """What the move of a user came to, or would come to: `moved` tasks of so many `series`."""

    series: int = 0
    wish: Wish = field(default_factory=lambda: Wish("", "UTC", None, Keep.WALL_CLOCK))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        wish = {"userId": self.wish.user_id, "to": self.wish.to, "from": self.wish.since, "keep": self.wish.keep.value}
        return wish | {"series": self.series} | Moves.as_json(self)


@dataclass(slots=True)
class SeriesMove:
    """One series on its way: its original, what it counts from, and what that becomes."""

    head: Document
    zone: str
    clock: StoredClock | None
    ahead: list[Document]
    """Its open future tasks."""
    new: SeriesClock | None = None

    @property
    def id(self) -> str:
        """The original's."""
        return str(self.head["_id"])

    def digest(self, timezone: str) -> str:
        """Return the digest of what the original says, in a zone."""
        return digest_of(replace(task_from(self.head, with_content=True), timezone=timezone), timezone)

    @property
    def row(self) -> MoveRow:
        """The original in an answer, as it is."""
        task = task_from(self.head)
        return MoveRow(task, task.due_date if isinstance(task.due_date, datetime) else None, None, timezone=self.zone)


class ZoneMoving:
    """Moves users. Safe to run twice, beside the worker, and to be killed anywhere."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._zones = context.zones
        self._timezone = context.rules.timezone

    def run(
        self,
        user_id: str,
        to: str,
        *,
        since: str | None = None,
        keep: Keep = Keep.WALL_CLOCK,
        dry_run: bool = True,
        limit: int = LISTED,
    ) -> MovedUser:
        """Move the series of a user to the zone `to`: those in the zone `since`, or all; or say what that would do.

        Raises:
            InvalidInput: `user_id` is no id, or a zone is none.
        """
        wish = Wish(str(object_id(user_id, "user")), _zone("zone", to), since and _zone("from", since), keep)
        done = MovedUser(self._context.series.time_zone_data, limit, None if dry_run else new_id(), wish=wish)
        if not dry_run:
            done.told = tell_untold(self._context, wish.user_id)
        for heads in chunks(self._zones.originals(wish.user_id), A_PAGE):
            self._move(done, self._series(wish, heads))
        return done

    def _series(self, wish: Wish, heads: Sequence[Document]) -> list[SeriesMove]:
        """Return the series that are to move, or that have moved and may have left something behind."""
        chosen = [(head, head.get("timezone") or self._timezone) for head in heads]
        ids = [str(head["_id"]) for head, zone in chosen if wish.since in {None, zone} or zone == wish.to]
        ahead = self._ahead(wish, ids)
        clocks = self._zones.clocks(ids)
        return [
            SeriesMove(head, zone, clocks.get(str(head["_id"])), ahead[str(head["_id"])])
            for head, zone in chosen
            if str(head["_id"]) in ids
        ]

    def _ahead(self, wish: Wish, series_ids: Sequence[str]) -> dict[str, list[Document]]:
        """Return the open future tasks by series, the next one first."""
        found: dict[str, list[Document]] = defaultdict(list)
        for document in self._zones.ahead(wish.user_id, series_ids, self._context.clock()):
            found[str(document["parentRecurringId"])].append(document)
        return found

    def _to_move(self, wish: Wish, documents: Iterable[Document]) -> list[Document]:
        """Return the tasks that are not in their new zone."""
        zones = ((document, document.get("timezone") or self._timezone) for document in documents)
        return [document for document, zone in zones if zone != wish.to and wish.since in {None, zone}]

    def _move(self, done: MovedUser, series: Sequence[SeriesMove]) -> None:
        going = [each for each in series if self._plan(done, each)]
        self._move_tasks(done, self._to_move(done.wish, chain.from_iterable(each.ahead for each in going)))
        if done.run is not None:
            self._move_clocks(done, going)
        there = self._move_originals(done, [each for each in going if each.zone != done.wish.to])
        if done.run is not None and going:
            here = [
                each for each in going if each.clock is not None and (each.zone == done.wish.to or each.id in there)
            ]
            self._zones.follow({each.id: each.digest(done.wish.to) for each in here if _is_unfollowed(each)})
            self._context.on_step(WriteStep.CLOCKS_FOLLOWED)
            left = self._ahead(done.wish, [each.id for each in going])
            self._move_tasks(done, self._to_move(done.wish, chain.from_iterable(left.values())), again=True)

    def _plan(self, done: MovedUser, each: SeriesMove) -> bool:
        """Find out what a series counts from in its new zone; where it stays, say why."""
        why = self._why_not(done.wish, each)
        if why is not None:
            done.stay(each.row, why.value)
        return why is None

    def _why_not(self, wish: Wish, each: SeriesMove) -> Stays | None:
        if each.zone == wish.to:
            return None
        if each.clock is None:
            return Stays.NEW
        if each.clock.clock.timezone == wish.to:  # a run that was killed has moved it
            return None
        return _move_clock(wish, each, each.clock)

    def _move_tasks(self, done: MovedUser, documents: Sequence[Document], *, again: bool = False) -> None:
        edits: list[tuple[MoveRow, TaskEdit]] = []
        for document in documents:
            row, edit = self._edit(done, document)
            if edit is not None:
                edits.append((row, edit))
            elif not again:
                done.stay(row, Stays.TOUCHED.value if is_touched(document) else Stays.INVALID.value)
        if done.run is None or not edits:
            for row, _ in edits:
                done.move(row)
            return
        there = self._context.edits.rewrite([edit for _, edit in edits], self._context.clock())
        self._context.on_step(WriteStep.MOVED)
        tell(self._context, [row.task.id for row, _ in edits])
        for row, _ in edits:
            if row.task.id in there:
                done.move(row)
            else:
                done.stay(row, CHANGED_SINCE)

    def _edit(self, done: MovedUser, document: Document) -> tuple[MoveRow, TaskEdit | None]:
        task, wish = task_from(document), done.wish
        zone = task.timezone or self._timezone
        was = document["dueDate"]
        row = MoveRow(task, was, None, task.shifted_to or task.occurrence_at, zone)
        if task.misread is not None or is_touched(document):
            return row, None
        try:
            dates = moved_dates(task, zone, wish.to, wish.keep)
        except InvalidRecurrence:
            dates = None
        if dates is None:
            return row, None
        row = MoveRow(task, was, dates.due, dates.shifted_to or dates.slot, wish.to)
        return row, self._as_edit(done, document, _fields(document, dates, wish.to))

    def _as_edit(self, done: MovedUser, document: Document, fields: Mapping[str, Any]) -> TaskEdit:
        """Return the edit; with a record of it where the task is due at another instant, of which its user is told."""
        if fields["dueDate"] == document["dueDate"]:
            return TaskEdit(document, fields)
        return moving(document, fields, run=done.run or new_id(), now=self._context.clock())

    def _move_clocks(self, done: MovedUser, series: list[SeriesMove]) -> None:
        """Have series count from their new clocks; take out those that went on meanwhile: the next run is theirs."""
        moves = [(each.clock, each.new) for each in series if each.clock is not None and each.new is not None]
        self._zones.move_clocks(moves)
        self._context.on_step(WriteStep.CLOCKS_MOVED)
        found = self._zones.clocks(each.id for each in series if each.new is not None)
        for each in [each for each in series if each.id in found and found[each.id].clock.timezone != done.wish.to]:
            series.remove(each)
            done.stay(each.row, CHANGED_SINCE)

    def _move_originals(self, done: MovedUser, series: Sequence[SeriesMove]) -> Collection[str]:
        """Set the zone of originals and, where one is open and ahead with its own date, its due date; return which.

        Its originalDueDate stays: by it the worker knows that nobody moved the first date of the series.
        """
        edits = [self._original(done, each) for each in series]
        ids = [row.task.id for row, _ in edits]
        if done.run is not None and edits:
            self._zones.move_originals([edit for _, edit in edits], self._context.clock())
            self._context.on_step(WriteStep.ORIGINALS_MOVED)
            tell(self._context, ids)
            ids = sorted(self._zones.in_zone(done.wish.to, ids))
        done.series += len(ids)
        for row, edit in edits:
            if row.task.id not in ids:
                done.stay(row, CHANGED_SINCE)
            elif "dueDate" in edit.fields:
                done.move(row)
        return ids

    def _original(self, done: MovedUser, each: SeriesMove) -> tuple[MoveRow, TaskEdit]:
        task, to, now = task_from(each.head), done.wish.to, self._context.clock()
        due = task.due_date
        dates = moved_dates(task, each.zone, to, done.wish.keep) if is_ahead(task, now) else None
        move = move_of(each.head)
        is_its_own = due == task.original_due_date or (move is not None and due == move.due)
        if dates is None or dates.due == due or not is_its_own:
            return each.row, TaskEdit(each.head, {"timezone": to})
        edit = self._as_edit(done, each.head, {"timezone": to, "dueDate": dates.due})
        return replace(each.row, due=dates.due, wall=wall_clock("dueDate", dates.due, time_zone(to)), timezone=to), edit


def _move_clock(wish: Wish, each: SeriesMove, stored: StoredClock) -> Stays | None:
    if stored.followed is not None and _rule(stored.followed) != _rule(each.digest(each.zone)):
        return Stays.EDITED
    if stored.clock.timezone != each.zone:
        return Stays.OTHER_ZONE
    try:
        task = task_from(each.head)
        recurrence = read_recurrence(task.repeat_type, task.recurrence)
        shown = each.ahead[0]["dueDate"] if each.ahead else None
        new = moved_clock(stored.clock, recurrence, wish.to, wish.keep, shown)
    except InvalidRecurrence:
        return Stays.INVALID
    if isinstance(new, Stays):
        return new
    each.new = new
    return None


def _is_unfollowed(each: SeriesMove) -> bool:
    """Say whether a series does not say (any more) what of its original it follows."""
    return each.new is not None or (each.clock is not None and each.clock.followed is None)


def _rule(digest: str) -> str:
    """Return the part of a digest that is of the rule and the options."""
    return digest.partition(".")[0]


def _zone(name: str, zone: str) -> str:
    try:
        time_zone(zone)
    except InvalidRecurrence as error:
        raise InvalidInput(f"{name}: {zone!r} is not an IANA time zone") from error
    return zone


def _fields(document: Document, dates: TaskDates, to: str) -> dict[str, Any]:
    """Return what is set of an occurrence: only what is there already, and is another now."""
    slot, shifted = (None if wall is None else wall_text(wall) for wall in (dates.slot, dates.shifted_to))
    wanted = {"originalDueDate": dates.original_due, "occurrenceAt": slot, "shiftedTo": shifted}
    changed = {name: value for name, value in wanted.items() if value is not None and document.get(name) != value}
    return {"timezone": to, "dueDate": dates.due, **changed}
