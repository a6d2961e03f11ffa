"""What the terminal shows of refused events and of deletions. Beside common.py, by the same rules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.views.common import Data, plain, table_of, when

if TYPE_CHECKING:
    from recurrence_pipeline.domain.model import TaskEvent
    from recurrence_pipeline.domain.plan import Plan

SHOWN = 10
"""Tasks that a delete would take; --json has them all."""


def replay_view(data: Data) -> RenderableType:
    """Draw what a replay came to, or would come to."""
    if data["written"]:
        lines = [f"{data['replayed']} of {counted(data['selected'], 'event')} {_are(data['replayed'])} pending again."]
    elif data["selected"]:
        lines = [
            f"{counted(data['selected'], 'event')} would be pending again. Nothing was written: say --yes to do it."
        ]
    else:
        lines = ["No refused event fits."]
    if data["more"]:
        lines.append("There are more that fit: run it again, or say a higher --limit.")
    table = table_of("Why they were refused", "operation", "status", "code", "reason", "count")
    for row in data["reasons"]:
        reason = plain(row["reason"] or "(no reason recorded)")
        table.add_row(row["operation"], row["status"], row["code"], reason, str(row["count"]))
    left = [Text(f"- {row['eventId']} is left as it is: {row['reason']}") for row in data["left"]]
    return Group(*map(Text, lines), *([table] if data["reasons"] else []), *left)


def deletion_data(event: "TaskEvent", plan: "Plan") -> dict[str, Any]:
    """Return what a delete would come to, as its plan has it."""
    refusal = plan.refusals.get(event.id)
    return {
        "operation": event.operation.value,
        "taskId": event.task_id,
        "userId": event.user_id,
        "wouldDelete": [task_id for removal in plan.removals for task_id in removal.task_ids],
        "refused": str(refusal) if refusal else None,
        "written": False,
    }


def deletion_view(data: Data) -> RenderableType:
    """Draw what a delete would come to."""
    if data["refused"]:
        return plain(f"It would be refused: {data['refused']}")
    ids = data["wouldDelete"]
    lines = [
        f"{counted(len(ids), 'occurrence')} of task {data['taskId']} would be deleted, for user {data['userId']}.",
        *(f"- {task_id}" for task_id in ids[:SHOWN]),
        *([f"- and {len(ids) - SHOWN} more"] if len(ids) > SHOWN else []),
        "Nothing was written: say --yes to do it.",
    ]
    return Group(*map(Text, lines))


def deletions_view(rows: Sequence[Data]) -> RenderableType:
    """Draw deletions, one a line."""
    if not rows:
        return Text("Nothing was deleted that is still kept.")
    table = table_of("Deletions, newest first", "deleted (UTC)", "deletion, and by whom", "what was deleted")
    for row in rows:
        count = row["tasks"]
        back = f", {'all' if row['restored'] == count else row['restored']} put back" if row["restored"] else ""
        what = f"{counted(count, 'task')} ({row['reason']}){back}\none of them: "
        ids = f"{row['deletion']}\n{row['deletedBy'] or '-'}"
        table.add_row(when(row["deletedAt"]), ids, plain(what) + plain(row["title"]))
    return Group(table, Text("To put one back: recurrence restore DELETION"))


def restore_view(data: Data) -> RenderableType:
    """Draw what putting a deletion back came to, or would come to."""
    who = f" by {data['deletedBy']}" if data["deletedBy"] else ""
    lines = [f"{counted(data['tasks'], 'task')} deleted {when(data['deletedAt'])}{who} ({data['reason']})."]
    if data["restoredBefore"]:
        lines.append("They were put back before: nothing was written.")
    elif data["written"]:
        lines.append(f"{data['restored']} put back, {data['alreadyThere']} already there.")
    else:
        lines.append(f"{data['restored']} to be put back, {data['alreadyThere']} already there.")
    if data["goneSince"]:
        lines.append(f"{data['goneSince']} put back before and gone since: say --again to have them back too.")
    lines += [
        f"- {new['taskId']} {'is' if data['written'] else 'would be'} the original now, instead of {new['replaces']}, "
        f"which is gone; it keeps slot {new['slot']}, counted from {when(new['anchor'])}."
        for new in data["newOriginals"]
    ]
    lines += [f"- {row['taskId']} has the new number {row['number']}: its own is taken." for row in data["renumbered"]]
    lines += [f"- {row['taskId']} was refused: {row['reason']}" for row in data["refused"]]
    if not data["written"] and not data["restoredBefore"]:
        lines.append("Nothing was written: say --yes to do it.")
    return Group(*map(Text, lines))


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
