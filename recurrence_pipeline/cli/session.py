"""What every command works with: the environment, where to print, exit codes, and the options they share.

The commands themselves are in the modules beside this one, one module for each kind of thing people want to do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.words import counted

if TYPE_CHECKING:
    from recurrence_pipeline.bootstrap import Worker
    from recurrence_pipeline.config.settings import Settings
    from recurrence_pipeline.storage.mongo import Listener

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
HERE = Path()

app = typer.Typer(
    name="recurrence",
    help="Background worker for recurring tasks. Settings are environment variables; MONGODB_URL names the database. "
    "Exit codes: 0 done, 1 failed, 2 asked wrongly, 130 interrupted.",
    epilog="A first look, with nothing to set up: recurrence demo",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # they show local variables, and those hold passwords
    rich_markup_mode="markdown",
)


class Panel(str, Enum):
    """Of commands, by what people want to do; in the order in which the help has them."""

    FIRST_STEPS = "First steps"
    WORK = "Work"
    LOOK = "Look"
    REPAIR = "Repair"
    CARE = "Maintenance and monitoring"
    SERVE = "Serve"


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
TIMES = "24h, 7d, 2w ago, or 2026-11-24T09:30Z"
"""What a TIME may be, for the help of the options that take one."""
TaskId = Annotated[str, typer.Argument(metavar="TASK_ID", help="The task's _id: 24 hex digits.", show_default=False)]
Folder = Annotated[
    Path,
    typer.Option("--folder", metavar="FOLDER", help="In it, `.recurrence` holds the database and Dagster's files."),
]


def written(write: Callable[[Path], Iterable[Path]], folder: Path | None) -> list[str]:
    """Return what was written to the folder for which people asked, if they did.

    Raises:
        InvalidInput: it cannot be written to.
    """
    try:
        return [] if folder is None else [str(path) for path in write(folder)]
    except OSError as error:
        raise InvalidInput(f"output: {str(folder)!r} cannot be written to: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with: the environment, and where to print."""

    environment: Mapping[str, str]
    out: Console
    err: Console

    def located(self, *, api: bool = False) -> "Session":
        """Return a session that finds what `recurrence up` runs in this folder, where the environment names nothing.

        What is found is said. `api` is whether the API is to be found, too.

        Raises:
            ConfigurationError: no database is named, and none is to be found.
        """
        from recurrence_pipeline.local.up_file import with_what_runs

        environment, remark = with_what_runs(self.environment, HERE, api=api)
        if remark:
            self.err.print(f"recurrence: {remark}", markup=False, highlight=False, soft_wrap=True)
        return replace(self, environment=environment)

    def settings(self) -> "Settings":
        """Read the settings, and log as they say."""
        from recurrence_pipeline.config.logs import configure
        from recurrence_pipeline.config.settings import Settings

        settings = Settings.from_environment(self.environment)
        configure(settings, readable=self.err.is_terminal)
        return settings

    @contextmanager
    def worker(self, *, listeners: "Sequence[Listener]" = ()) -> "Iterator[Worker]":
        """Open the worker that the environment describes; `listeners` are told of its commands to the database."""
        from recurrence_pipeline.bootstrap import open_worker

        self.settings()  # what is wrong with them comes first
        with open_worker(self.located().settings(), listeners=listeners) as worker:
            yield worker

    @contextmanager
    def prepared(self) -> "Iterator[Worker]":
        """Open the worker, of a database that `init-db` was run on."""
        with self.worker() as worker:
            worker.require_schema()
            yield worker

    def show(self, data: object, draw: Callable[[Any], RenderableType], *, as_json: bool) -> None:
        """Print data as JSON or, drawn, for people."""
        from recurrence_pipeline.views.common import to_json

        if as_json:
            typer.echo(to_json(data))
        else:
            self.out.print(draw(data))

    @contextmanager
    def counting(self, what: str) -> Iterator[Callable[[int], None]]:
        """Show how many tasks have been looked at; yields what is to be told that."""
        with self.progress() as bar:
            task = bar.add_task(what, total=None)
            yield lambda looked_at: bar.update(task, completed=looked_at, description=counted(looked_at, "task"))

    def progress(self, *columns: TextColumn | MofNCompleteColumn) -> Progress:
        """Return a progress bar on stderr; silent where that is no terminal."""
        every = (TextColumn("{task.description}"), BarColumn(), *columns, TaskProgressColumn(), TimeElapsedColumn())
        return Progress(*every, console=self.err, disable=not self.err.is_terminal, transient=True)
