"""What `demo` and `up` have in common: how they speak, and how what ends them becomes an exit status."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from rich.console import Console
from rich.markup import escape

from recurrence_pipeline.domain.errors import ConfigurationError, RecurrenceError
from recurrence_pipeline.local.supervisor import Stopped, stoppable


@dataclass(frozen=True, slots=True)
class LocalConsole:
    """Tells what is being done, with the seconds since the beginning."""

    console: Console
    began: float

    def say(self, text: str) -> None:
        """Print one line."""
        elapsed = f"[dim]{monotonic() - self.began:6.1f} s[/dim]"
        self.console.print(f"{elapsed}  {escape(text)}", highlight=False, soft_wrap=True)


def exit_status(console: Console, command: Callable[[LocalConsole], int], *, when_stopped: int | None = None) -> int:
    """Run a command; print what it failed with.

    An error is printed and gives 1, or 2 where a setting or the folder was wrong.

    Args:
        console: where it prints.
        command: returns its exit status.
        when_stopped: the status when SIGINT, SIGTERM or SIGHUP stopped it; None is the shells' 128 + signal.
    """
    try:
        with stoppable():
            return command(LocalConsole(console, monotonic()))
    except Stopped as stopped:
        if when_stopped is not None:
            return when_stopped
        console.print(f"Stopped by {stopped}.", style="yellow")
        return stopped.exit_code
    except (RecurrenceError, OSError) as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2 if isinstance(error, ConfigurationError) else 1
