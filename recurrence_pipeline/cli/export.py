"""Series for other programs: `export`."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from recurrence_pipeline.cli.session import OK, Panel, Session, app
from recurrence_pipeline.domain.errors import InvalidInput


@app.command(rich_help_panel=Panel.LOOK, epilog="Example: recurrence export --ics tasks.ics")
def export(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to; not given: to the output.", show_default=False)
    ] = None,
    *,
    ics: Annotated[bool, typer.Option("--ics", help="As iCalendar (RFC 5545), for calendar programs.")] = False,
    user_id: Annotated[str | None, typer.Option("--user-id", metavar="ID", help="This user's series only.")] = None,
) -> int:
    """Write all recurring tasks as a calendar.

    Each series is one to-do with its rule; occurrences that are done or were moved stand beside it. Series that cannot
    be worked on are left out and counted; `recurrence check` names them.
    """
    from recurrence_pipeline.queries.calendar import CalendarCounts
    from recurrence_pipeline.views.icalendar import calendar_text

    if not ics:
        raise InvalidInput("export: say as what: --ics is the one format there is")
    session: Session = context.obj
    counts = CalendarCounts()
    with session.worker() as worker:
        worker.require_schema()
        pieces = calendar_text(worker.calendar.pages(user_id, counts=counts))
        write(pieces, file)
    left_out = f", {counts.left_out.total()} left out: recurrence check says why" if counts.left_out else ""
    session.err.print(f"recurrence: {counts.told} series{left_out}", markup=False, highlight=False, soft_wrap=True)
    return OK


def write(pieces: Iterable[str], file: Path | None) -> None:
    """Write to the output, or to a file that is there as a whole or not at all.

    Raises:
        InvalidInput: the file cannot be written.
    """
    if file is None:
        sys.stdout.writelines(pieces)
        return
    begun = file.parent / f".{file.name}.{os.getpid()}"
    try:
        try:
            with begun.open("w", encoding="utf-8", newline="") as writing:
                writing.writelines(pieces)
            begun.replace(file)
        finally:
            begun.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInput(f"file: {str(file)!r} cannot be written: {error.strerror}") from error
