"""Open tasks are moved to the instant that their wall clock says, after the law of time has changed; and back again.

Which they are is decided in domain/time_zone_changes.py. A move is written with its record in one write, and told
afterwards: the record says what is still to be told, so that the next run tells what one that died has moved.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from recurrence_pipeline.domain.errors import TimeZoneDataOutdated
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.time_zone_changes import TimeZoneChange, is_ahead, series_of, time_zone_change
from recurrence_pipeline.domain.zones import wall_text
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import Document, is_touched, new_id, object_id, task_from
from recurrence_pipeline.storage.task_edits import TaskEdit
from recurrence_pipeline.storage.task_moves import is_as_left, move_of, moving
from recurrence_pipeline.worker.context import WorkerContext, WriteStep

A_PAGE = 500
"""Tasks that are looked at, and moved, together."""
LISTED = 100
"""Rows in an answer, of those that move and of those that stay, unless it is told otherwise; all are counted."""
CHANGED_SINCE = "somebody changed the task since"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One task in an answer: `due` is its new dueDate, `stays` why it stays where it is."""

    task: Task
    was: datetime | None
    due: datetime | None
    wall: datetime | None = None
    timezone: str | None = None
    stays: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "taskId": self.task.id,
            "userId": self.task.user_id,
            "title": self.task.title,
            "seriesId": series_of(self.task),
            "slot": self.task.occurrence_number,
            "timezone": self.timezone,
            "wallClock": None if self.wall is None else wall_text(self.wall),
            "was": self.was,
            "willBe": self.due,
            "stays": self.stays,
        }


@dataclass(slots=True)
class Moves:
    """What moving tasks came to or, where nothing was `written`, would come to."""

    time_zone_data: str | None
    limit: int
    run: str | None = None
    undoes: str | None = None
    moved: int = 0
    told: int = 0
    """Moves of runs that had died before they told the users; told now."""
    stays: Counter[str] = field(default_factory=Counter)
    moving: list[MoveRow] = field(default_factory=list)
    staying: list[MoveRow] = field(default_factory=list)

    @property
    def written(self) -> bool:
        """Whether it was done."""
        return self.run is not None

    def move(self, row: MoveRow) -> None:
        """Count a task that moves, and keep the first."""
        self.moved += 1
        if len(self.moving) < self.limit:
            self.moving.append(row)

    def stay(self, row: MoveRow, why: str) -> None:
        """Count a task that stays, and keep the first."""
        self.stays[why] += 1
        if len(self.staying) < self.limit:
            self.staying.append(replace(row, stays=why))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "written": self.written,
            "run": self.run,
            "undoes": self.undoes,
            "timeZoneData": self.time_zone_data,
            "moved": self.moved,
            "toldOfEarlierRuns": self.told,
            "stays": dict(sorted(self.stays.items())),
            "tasks": [row.as_json() for row in (*self.moving, *self.staying)],
        }


def find_changes(context: WorkerContext, tasks: Iterable[Task]) -> list[tuple[TimeZoneChange, Document]]:
    """Return which of these tasks, all ahead, are not where their wall clock says, with what is stored of each.

    That costs no command where all are well, and three for each hundred of those that may not be.
    """
    timezone = context.rules.timezone
    heads_and_suspects = [
        task for task in tasks if task.parent_recurring_id is None or time_zone_change(task, None, timezone) is not None
    ]
    memories = context.series.read({series_of(task) for task in heads_and_suspects}) if heads_and_suspects else {}

    def judged(task: Task) -> TimeZoneChange | None:
        return time_zone_change(task, memories.get(series_of(task)), timezone)

    suspects = [change for task in heads_and_suspects if (change := judged(task)) is not None]
    found: list[tuple[TimeZoneChange, Document]] = [(change, {}) for change in suspects if change.due is None]
    changing = (change.task.id for change in suspects if change.due is not None)
    for document in context.tasks.documents(changing).values():
        task = replace(task_from(document), is_touched=is_touched(document))
        change = judged(task) if is_ahead(task, context.clock()) else None
        if change is not None:
            found.append((change, document))
    return found


class TimeZones:
    """Moves tasks to what their wall clock says, and back. Safe to run twice, at once, and to be killed anywhere."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._moves = context.moves

    def run(
        self, *, dry_run: bool = True, limit: int = LISTED, progress: Callable[[int], None] = lambda _: None
    ) -> Moves:
        """Move the open future tasks that nobody has touched to what their wall clock says in today's data.

        With `dry_run` only say what would move. At most `limit` rows of either kind are listed. `progress` is told how
        many tasks have been looked at. Run again, nothing is left to do, but for what a run that died has not told.

        Raises:
            TimeZoneDataOutdated: a host that worked lately has newer data than this one.
        """
        self._require_newest()
        done = self._begin(limit, dry_run=dry_run)
        looked_at = 0
        for page in chunks(self._moves.ahead(self._context.clock()), A_PAGE):
            edits: list[tuple[MoveRow, TaskEdit]] = []
            for change, seen in find_changes(self._context, page):
                row = MoveRow(change.task, change.was, change.due, change.wall, change.timezone)
                if change.stays is not None:
                    done.stay(row, change.stays.value)
                else:
                    edits.append((row, moving(seen, _dates(change), run=done.run or new_id(), now=self._now())))
            self._apply(done, edits)
            looked_at += len(page)
            progress(looked_at)
        return done

    def undo(self, run: str, *, dry_run: bool = True, limit: int = LISTED) -> Moves:
        """Put back what a run has moved, where tasks are still as it left them; or, with `dry_run`, say what would be.

        That is a run of its own, which can be undone as well.

        Raises:
            InvalidInput: `run` is not an id.
        """
        run = str(object_id(run, "run"))
        done = self._begin(limit, dry_run=dry_run, undoes=run)
        for page in chunks(self._moves.of_run(run), A_PAGE):
            edits: list[tuple[MoveRow, TaskEdit]] = []
            for document in page:
                move, task = move_of(document), task_from(document)
                if move is None:
                    continue
                wall = task.shifted_to or task.occurrence_at
                row = MoveRow(task, move.due, move.was.get("dueDate"), wall, task.timezone)
                if is_as_left(document, move):
                    edits.append((row, moving(document, move.was, run=done.run or new_id(), now=self._now())))
                else:
                    done.stay(row, CHANGED_SINCE)
            self._apply(done, edits)
        return done

    def _require_newest(self) -> None:
        """Make sure that this is no host with older data, which would move tasks back to where they were meant once."""
        hosts = self._context.hosts
        newest = max(hosts.others(self._now()), key=lambda host: host.version or "", default=hosts.this)
        if (newest.version or "") > (hosts.this.version or ""):
            raise TimeZoneDataOutdated(
                f"host {newest.name} has the time zone data {newest.version}, and {hosts.this.name} "
                f"{hosts.this.version or 'an unknown version'}: update tzdata here (pip install --upgrade tzdata) first"
            )

    def _begin(self, limit: int, *, dry_run: bool, undoes: str | None = None) -> Moves:
        done = Moves(self._context.series.time_zone_data, limit, None if dry_run else new_id(), undoes)
        if done.run is not None:
            log.info("tasks are moved to what their clocks say", run=done.run, undoes=undoes)
            done.told = tell_untold(self._context)
        return done

    def _apply(self, done: Moves, edits: Sequence[tuple[MoveRow, TaskEdit]]) -> None:
        """Move the tasks of a page, and count: of two runs at once, each task is moved, and counted, by one."""
        if done.run is None or not edits:
            for row, _ in edits:
                done.move(row)
            return
        there = self._context.edits.rewrite([edit for _, edit in edits], self._now())
        self._context.on_step(WriteStep.MOVED)
        ours = tell(self._context, [row.task.id for row, _ in edits], done.run)
        for row, _ in edits:
            if row.task.id in ours:
                done.move(row)
            elif row.task.id not in there:
                done.stay(row, CHANGED_SINCE)

    def _now(self) -> datetime:
        return self._context.clock()


def tell(context: WorkerContext, task_ids: Sequence[str], run: str | None = None) -> set[str]:
    """Tell users of moves that they were not told of, and return which of the tasks `run` has moved."""
    records = context.moves.records(task_ids)
    untold = [move for move in records if not move.is_told]
    context.activities.write((a for move in untold if (a := move.activity) is not None), context.clock())
    context.on_step(WriteStep.MOVES_TOLD)
    context.moves.told(move.task_id for move in untold)
    context.on_step(WriteStep.MOVES_NOTED)
    return {move.task_id for move in records if move.run == run}


def tell_untold(context: WorkerContext, user_id: str | None = None) -> int:
    """Tell users, or one, of what runs have moved that died before they told them; return how many moves that were."""
    told = 0
    for ids in chunks(context.moves.untold(user_id), A_PAGE):
        told += len(ids)
        tell(context, ids)
    return told


def _dates(change: TimeZoneChange) -> Mapping[str, Any]:
    original = {} if change.original_due is None else {"originalDueDate": change.original_due}
    return {"dueDate": change.due, **original}
