"""The `recurrence` command: parse, call, print. The work is behind bootstrap.py, the tables are in report.py.

Exit codes: 0 done, 1 failed (the database is away, not found, refused), 2 asked wrongly (arguments, settings, files),
130 interrupted. An expected error is one line on stderr. What takes long to import is imported by the command that
needs it.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from recurrence_pipeline.domain.errors import (
    ConfigurationError,
    InvalidInput,
    Outage,
    RecurrenceError,
)
from recurrence_pipeline.domain.model import Operation

if TYPE_CHECKING:
    from recurrence_pipeline.bootstrap import Worker
    from recurrence_pipeline.settings import Settings
    from recurrence_pipeline.worker.summary import BatchSummary

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
ASKED_WRONGLY = (ConfigurationError, InvalidInput)
HERE = Path()
WIDTH_OF_A_FILE = 140
"""Columns where the output is no terminal: a table that is piped on should not be squeezed into 80."""

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Any error of the command line; typer brings its own Click in newer releases, and exports only the special case."""

app = typer.Typer(
    name="recurrence",
    help="Background worker for recurring tasks. Settings are environment variables; MONGODB_URL names the database. "
    "Exit codes: 0 done, 1 failed, 2 asked wrongly, 130 interrupted.",
    epilog="A first look, with nothing to set up: recurrence demo",
    add_completion=False,
    pretty_exceptions_enable=False,  # they show local variables, and those hold passwords
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
TaskId = Annotated[str, typer.Argument(metavar="TASK_ID", help="The task's _id: 24 hex digits.", show_default=False)]
Folder = Annotated[Path, typer.Option("--folder", help="In it, `.recurrence` holds the database and Dagster's files.")]


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with: the environment, and where to print."""

    environment: Mapping[str, str]
    out: Console
    err: Console

    def settings(self) -> "Settings":
        """Read the settings, and log as they say."""
        from recurrence_pipeline.logs import configure
        from recurrence_pipeline.settings import Settings

        settings = Settings.from_environment(self.environment)
        configure(settings, readable=self.err.is_terminal)
        return settings

    @contextmanager
    def worker(self) -> "Iterator[Worker]":
        """Open the worker that the environment describes."""
        from recurrence_pipeline.bootstrap import open_worker

        with open_worker(self.settings()) as worker:
            yield worker

    def show(self, data: object, draw: Callable[[Any], RenderableType], *, as_json: bool) -> None:
        """Print data as JSON or, drawn, for people."""
        from recurrence_pipeline.report import to_json

        if as_json:
            typer.echo(to_json(data))
        else:
            self.out.print(draw(data))

    def progress(self, *columns: TextColumn | MofNCompleteColumn) -> Progress:
        """Return a progress bar on stderr; silent where that is no terminal."""
        every = (TextColumn("{task.description}"), BarColumn(), *columns, TaskProgressColumn(), TimeElapsedColumn())
        return Progress(*every, console=self.err, disable=not self.err.is_terminal, transient=True)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> int | None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        return USAGE
    return None


@app.command("init-db", epilog="Example: MONGODB_URL=mongodb://db.example.org/task-app recurrence init-db")
def init_db(context: typer.Context, *, as_json: Json = False) -> int:
    """Create what the database lacks; may be run at any time."""
    session: Session = context.obj
    with session.worker() as worker:
        report = worker.init_db()
    if as_json:
        session.show({"added": report.added, "leftOut": report.left_out}, str, as_json=True)
        return OK
    session.out.print(f"{len(report.added)} added" if report.added else "Everything was there already.")
    for line in (*report.added, *(f"left out: {name}: {why}" for name, why in report.left_out.items())):
        session.out.print(f"  {line}", markup=False)
    return OK


@app.command("import", epilog="Example: recurrence import ./export (or the packaged data: recurrence import --sample)")
def import_(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Holds tasks.jsonl, users.jsonl, counters.jsonl, trigger_log.jsonl."),
    ] = None,
    *,
    sample: Annotated[bool, typer.Option("--sample", help="Import the packaged sample data.")] = False,
    as_json: Json = False,
) -> int:
    """Load an export (MongoDB Extended JSON, a document a line). Importing again adds nothing."""
    from recurrence_pipeline.report import import_table
    from recurrence_pipeline.storage.importing import SAMPLE_DATA

    if (folder is None) is not sample:
        raise typer.BadParameter("name a FOLDER, or say --sample (not both)")
    session: Session = context.obj
    with session.worker() as worker, session.progress() as bar:
        task = bar.add_task("import")
        report = worker.import_folder(
            folder or SAMPLE_DATA,
            lambda name, done, total: bar.update(task, description=name, completed=done, total=total),
        )
    session.show(report.as_json(), import_table, as_json=as_json)
    return FAILED if report.refused else OK


@app.command(epilog="Example: recurrence process --until-empty")
def process(
    context: typer.Context,
    *,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="Wait for retries, until no event is unfinished.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Work on at most this many events.")] = None,
    as_json: Json = False,
) -> int:
    """Work off due events here and now, without Dagster."""
    from recurrence_pipeline.report import figures_table

    session: Session = context.obj
    with session.worker() as worker, session.progress(MofNCompleteColumn()) as bar:
        worker.require_schema()
        task = bar.add_task("events", total=worker.service.unfinished())

        def advance(so_far: "BatchSummary") -> None:
            ended = so_far.events - so_far.count("retried")
            bar.update(task, completed=ended, total=ended + worker.service.unfinished())

        summary = worker.drain(limit=limit, until_empty=until_empty, progress=advance)
        unfinished = worker.service.unfinished()
    session.show(
        summary.as_json() | {"unfinished": unfinished},
        lambda _: figures_table("Worked off", summary.numbers() | {"unfinished": unfinished}),
        as_json=as_json,
    )
    return OK


@app.command(epilog="Example: recurrence trigger complete 6b046c55c5f3b9749e06fec5 --now")
def trigger(
    context: typer.Context,
    operation: Annotated[Operation, typer.Argument(help="What happened to the task.", show_default=False)],
    task_id: TaskId,
    *,
    user_id: Annotated[str | None, typer.Option("--user-id", help="Whose task it is; a delete needs it.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Work it off at once and print the result.")] = False,
    as_json: Json = False,
) -> int:
    """Enqueue an event, as the application does."""
    from recurrence_pipeline.report import result_view

    session: Session = context.obj
    with session.worker() as worker:
        worker.require_schema()
        if now:
            result = worker.service.process_task_recurrence(task_id, operation.value, user_id)
            session.show(result, result_view, as_json=as_json)
            return OK
        event_id = worker.service.enqueue(task_id, operation.value, user_id)
    event = {"eventId": event_id, "operation": operation.value, "taskId": task_id, "status": "pending"}
    session.show(event, lambda _: f"Event {event_id} is pending: {operation.value} of task {task_id}.", as_json=as_json)
    return OK


@app.command(epilog="Example: recurrence preview 6b046c55c5f3b9749e06fec5 -n 24")
def preview(
    context: typer.Context,
    task_id: TaskId,
    *,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=1000, help="How many slots.")] = 10,
    as_json: Json = False,
) -> int:
    """Show when a series comes next, and what is odd about it."""
    from recurrence_pipeline.report import preview_data, preview_table

    session: Session = context.obj
    with session.worker() as worker:
        slots = worker.service.preview(task_id, count)
    session.show(preview_data(slots), preview_table, as_json=as_json)
    return OK


@app.command(epilog="Example: recurrence series 6b046c55c5f3b9749e06fec5")
def series(context: typer.Context, task_id: TaskId, *, as_json: Json = False) -> int:
    """Show a task's series, and why nothing more came."""
    from recurrence_pipeline.report import series_data, series_view

    session: Session = context.obj
    with session.worker() as worker:
        view = worker.service.series(task_id)
    session.show(series_data(view), series_view, as_json=as_json)
    return OK


@app.command(epilog="Example: recurrence stats --json")
def stats(
    context: typer.Context,
    *,
    user_id: Annotated[str | None, typer.Option("--user-id", help="Count the tasks of this user only.")] = None,
    as_json: Json = False,
) -> int:
    """Count tasks by kind, and events by what became of them."""
    from recurrence_pipeline.report import events_data, stats_view

    session: Session = context.obj
    with session.worker() as worker:
        worker.require_schema()
        found = worker.service.get_detailed_stats(user_id)
        events = events_data(worker.service.event_counts(), worker.service.refusals())
    session.show(found | events, stats_view, as_json=as_json)
    return OK


@app.command(epilog="Example: recurrence demo")
def demo(context: typer.Context, *, folder: Folder = HERE) -> int:
    """Show the work on sample data, in a database of its own."""
    from recurrence_pipeline.local import run_demo

    session: Session = context.obj
    session.settings()
    return int(run_demo(session.environment, folder, session.out))


@app.command(epilog="Example: recurrence up (then open http://localhost:3000)")
def up(context: typer.Context, *, folder: Folder = HERE) -> int:
    """Run everything here: a database, Dagster, its UI and the API.

    Where MONGODB_URL is set, that database is used, and none is started.
    """
    from recurrence_pipeline.local import run_up

    session: Session = context.obj
    session.settings()
    return int(run_up(session.environment, folder, session.out))


@app.command(epilog="Example: PORT=3000 INTERNAL_API_KEY=... recurrence api (its page is at /internal/docs)")
def api(context: typer.Context) -> int:
    """Serve the internal HTTP API.

    SIGTERM lets it finish what it has begun.
    It listens on PORT at HOST. Where INTERNAL_API_KEY is not set, only this machine may ask.
    """
    from recurrence_pipeline.api.server import serve

    session: Session = context.obj
    with session.worker() as worker:
        serve(worker, listening=lambda urls: session.out.print(f"Internal API: {', '.join(urls)}", soft_wrap=True))
    return OK


@app.command(epilog="Example: recurrence version --json")
def version(context: typer.Context, *, as_json: Json = False) -> int:
    """Print the versions of this package and its main parts."""
    session: Session = context.obj
    names = ("recurrence-pipeline", "dagster", "pymongo")
    versions = {name: installed_version(name) for name in names} | {"python": platform.python_version()}
    session.show(versions, lambda found: "\n".join(f"{n} {v}" for n, v in found.items()), as_json=as_json)
    return OK


def main(argv: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments without the program's name; those of this process where missing.
        environment: the variables to read; those of this process where missing.
    """
    out, err = (
        Console(file=file, width=None if file.isatty() else WIDTH_OF_A_FILE) for file in (sys.stdout, sys.stderr)
    )
    session = Session(os.environ if environment is None else environment, out, err)
    try:
        return int(app(sys.argv[1:] if argv is None else list(argv), standalone_mode=False, obj=session) or OK)
    except UsageError as error:
        text = str(getattr(error, "format_message", error.__str__)()).replace("Value error, ", "")
        return _complain(err, text, USAGE)
    except RecurrenceError as error:
        where = "database: " if isinstance(error, Outage) else ""
        return _complain(err, f"{where}{error}", USAGE if isinstance(error, ASKED_WRONGLY) else FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED


def _complain(err: Console, text: str, code: int) -> int:
    """Print one line."""
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    err.print(f"recurrence: {line}", markup=False, highlight=False, soft_wrap=True)
    return code
