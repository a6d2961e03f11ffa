"""The `recurrence` command: parse, call, print. The work is behind bootstrap.py, the tables are in views/.

Exit codes: 0 done, 1 failed (the database is away, not found, refused), 2 asked wrongly (arguments, settings, files),
130 interrupted, 141 nobody reads the output any more. An expected error is one line on stderr. What takes long to
import is imported by the command that needs it.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated

import typer
from rich.console import Console

from recurrence_pipeline import __version__
from recurrence_pipeline.cli import (
    change,
    export,
    inspect,
    maintenance,
    monitor,
    process,
    recover,
    rules,
    series,
    serve,
    setup,
    shadow,
    simulate,
    switch,
    time_zones,
)
from recurrence_pipeline.cli.session import FAILED, INTERRUPTED, OK, USAGE, Panel, Session, app
from recurrence_pipeline.cli.streams import streams
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.errors import ConfigurationError, DatabaseUnavailable, InvalidInput, RecurrenceError

__all__ = [
    "app",
    "change",
    "export",
    "inspect",
    "main",
    "maintenance",
    "monitor",
    "process",
    "recover",
    "rules",
    "series",
    "serve",
    "setup",
    "shadow",
    "simulate",
    "switch",
    "time_zones",
]

app.registered_commands.sort(key=lambda command: list(Panel).index(Panel(command.rich_help_panel)))

ASKED_WRONGLY = (ConfigurationError, InvalidInput)
WIDTH_OF_A_FILE = 140
"""Columns where the output is no terminal: a table that is piped on should not be squeezed into 80."""

command = cache(typer.main.get_command)
"""Makes the parser of all commands, which takes longer than many a command: once, however often `main` is called."""

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Any error of the command line; typer brings its own Click in newer releases, and exports only the special case."""


def _version(wanted: bool) -> None:  # noqa: FBT001 (as typer calls it)
    if wanted:
        typer.echo(f"recurrence {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 (its callback has answered)
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version, and exit.")
    ] = False,
) -> int | None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        return USAGE
    return None


def main(argv: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments without the program's name; those of this process where missing.
        environment: the variables to read; those of this process where missing.
    """
    use_newest_time_zone_data()
    with streams() as result:
        out, err = (
            Console(file=file, width=None if file.isatty() else WIDTH_OF_A_FILE) for file in (sys.stdout, sys.stderr)
        )
        session = Session(os.environ if environment is None else environment, out, err)
        result.code = _run(sys.argv[1:] if argv is None else list(argv), session)
    return result.code


def _run(argv: list[str], session: Session) -> int:
    try:
        return int(command(app)(argv, prog_name="recurrence", standalone_mode=False, obj=session) or OK)
    except UsageError as error:
        text = str(getattr(error, "format_message", error.__str__)()).replace("Value error, ", "")
        return _complain(session.err, text, USAGE)
    except RecurrenceError as error:
        where = "database: " if isinstance(error, DatabaseUnavailable) else ""
        return _complain(session.err, f"{where}{error}", USAGE if isinstance(error, ASKED_WRONGLY) else FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED


def _complain(err: Console, text: str, code: int) -> int:
    """Print one line."""
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    err.print(f"recurrence: {line}", markup=False, highlight=False, soft_wrap=True)
    return code
