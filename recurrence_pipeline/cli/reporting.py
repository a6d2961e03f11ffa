"""Reporting on a span of time: `report`. Figures for programs and for a quick look are `stats --since`."""

from pathlib import Path
from typing import Annotated

import typer

from recurrence_pipeline.cli.session import OK, Json, Session, app
from recurrence_pipeline.domain.errors import InvalidInput


@app.command(epilog="Example: recurrence report --since 7d --output report")
def report(
    context: typer.Context,
    *,
    since: Annotated[
        str, typer.Option("--since", help="The span to report on, up to now: 90m, 24h, 7d, 2w, or a time in UTC.")
    ] = "7d",
    output: Annotated[
        Path | None, typer.Option("--output", help="A folder that gets report.md and its pictures; made if missing.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Report on the last week, with pictures.

    It has the figures, and what got worse than in the three weeks before. Another span is compared with three of its
    own length. Without --output it is printed, without pictures.
    """
    from rich.markdown import Markdown

    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.times import since as beginning
    from recurrence_pipeline.monitoring.report import performance_report

    session: Session = context.obj
    now = utc_now()
    window = now - beginning("since", since, now)
    with session.worker() as worker:
        worker.require_schema()
        threshold = worker.settings.degradation_threshold
        made = performance_report(worker.metrics, now, threshold=threshold, window=window)
    files: list[str] = []
    if output is not None:
        try:
            files = [str(path) for path in made.write(output)]
        except OSError as error:
            raise InvalidInput(f"output: {str(output)!r} cannot be written to: {error.strerror}") from error
    data = {"worse": [each.as_json() for each in made.worse], "files": files, "markdown": made.markdown}
    session.show(data, lambda _: "\n".join(files) if files else Markdown(made.without_pictures()), as_json=as_json)
    return OK
