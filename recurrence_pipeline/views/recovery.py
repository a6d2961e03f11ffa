"""What the terminal shows of refused events and of deletions. Beside common.py, by the same rules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from recurrence_pipeline.views.common import Data, plain, table_of, when

if TYPE_CHECKING:
    from recurrence_pipeline.domain.model import TaskEvent
    from recurrence_pipeline.domain.plan import Plan

SHOWN = 10
"""Tasks that a delete would take; --json has them all."""


def replay_view(data: Data) -> RenderableType:
    """Draw what a replay came to, or would come to."""
    if data["written"]:
        lines = [f"{data['replayed']} of {data['selected']} events are pending again."]
    elif data["selected"]:
        lines = [f"{data['selected']} events would be pending again. Nothing was written: say --yes to do it."]
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
        f"{len(ids)} occurrences of task {data['taskId']} would be deleted, for user {data['userId']}.",
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
        what = f"{count} task{'' if count == 1 else 's'} ({row['reason']}){back}\none of them: "
        ids = f"{row['deletion']}\n{row['deletedBy'] or '-'}"
        table.add_row(when(row["deletedAt"]), ids, plain(what) + plain(row["title"]))
    return Group(table, Text("To put one back: recurrence restore DELETION"))


def restore_view(data: Data) -> RenderableType:
    """Draw what putting a deletion back came to, or would come to."""
    who = f" by {data['deletedBy']}" if data["deletedBy"] else ""
    lines = [f"{data['tasks']} tasks were deleted {when(data['deletedAt'])}{who} ({data['reason']})."]
    if data["restoredBefore"]:
        lines.append("They were put back before: nothing was written.")
    elif data["written"]:
        lines.append(f"{data['restored']} were put back, {data['alreadyThere']} were there already.")
    else:
        lines.append(f"{data['restored']} would be put back, {data['alreadyThere']} are there already.")
    if data["goneSince"]:
        lines.append(
            f"{data['goneSince']} were put back before and have gone since: say --again to have them back too."
        )
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
