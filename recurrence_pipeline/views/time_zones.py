"""What the terminal shows of tasks that move because a clock has changed. Beside common.py, by the same rules."""

from rich.console import Group, RenderableType
from rich.text import Text

from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.views.common import Data, plain, table_of, when


def moves_view(data: Data) -> RenderableType:
    """Draw which tasks were moved, or would be, and which stay and why."""
    return Group(*_table(data), *map(Text, [*_lines(data), *_verdict(data)]))


def moved_user_view(data: Data) -> RenderableType:
    """Draw which tasks of a user moved to another time zone, or would, and which stay and why."""
    kept = "the wall clock" if data["keep"] == "wall-clock" else "the instants"
    what = f"{counted(data['series'], 'series', 'series')} of user {data['userId']}"
    told = f"{counted(data['moved'], 'open task')} along, keeping {kept}."
    if data["written"]:
        verdict = f"{what} moved to {data['to']}, {told}"
    elif data["series"] or data["moved"]:
        verdict = f"{what} would move to {data['to']}, {told} Nothing was written: say --yes to do it."
    else:
        verdict = f"Nothing of user {data['userId']} is to be moved to {data['to']}."
    return Group(*_table(data), *map(Text, [*_lines(data), verdict]))


def _table(data: Data) -> list[RenderableType]:
    if not data["tasks"]:
        return []
    will = "became" if data["written"] else "will be"
    table = table_of("Tasks", "task", "series, slot", "wall clock", "was (UTC)", f"{will} (UTC)", "stays")
    for row in data["tasks"]:
        table.add_row(
            Text(f"{row['taskId']}\n") + plain(row["title"]),
            f"{row['seriesId']}\n{'-' if row['slot'] is None else row['slot']}",
            Text(f"{row['wallClock'] or '-'}\n") + plain(row["timezone"] or "-"),
            when(row["was"]),
            "-" if row["willBe"] is None else when(row["willBe"]),
            row["stays"] or "",
        )
    return [table]


def _lines(data: Data) -> list[str]:
    lines = [f"{counted(number, 'task')} {_stay(number)}: {why}." for why, number in data["stays"].items()]
    if len(data["tasks"]) < data["moved"] + sum(data["stays"].values()):
        lines.append("Not all are listed: say a higher --limit.")
    if data["toldOfEarlierRuns"]:
        lines.append(f"{counted(data['toldOfEarlierRuns'], 'user')} told of moves that an earlier run left untold.")
    return lines


def _verdict(data: Data) -> list[str]:
    moved, run, undoes = data["moved"], data["run"], data["undoes"]
    if not moved and undoes is not None:
        return [f"No task says that run {undoes} moved it last, and is as it was left: there is nothing to put back."]
    if not moved:
        data_used = data["timeZoneData"] or "of this machine"
        return [f"Nothing is to be moved: by the time zone data {data_used} all is where it should be."]
    if run is None:
        return [f"{counted(moved, 'task')} would be moved. Nothing was written: say --yes to do it."]
    return [f"{counted(moved, 'task')} moved by run {run}. To put back: recurrence timezones --undo {run} --yes"]


def _stay(number: int) -> str:
    return "stays" if number == 1 else "stay"
