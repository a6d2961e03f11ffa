"""What the terminal shows of the doctor's findings. Beside report.py, by the same rules."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from recurrence_pipeline.report import Data, plain, table_of

COLOURS = {"ok": "green", "warn": "yellow", "error": "bold red"}


def diagnoses_view(diagnoses: Sequence[Data]) -> RenderableType:
    """Draw what was found, and count what is not well."""
    table = table_of("Doctor", "what", "state", "found", "what to do")
    for each in diagnoses:
        state = Text(each["level"], COLOURS[each["level"]])
        table.add_row(plain(each["name"]), state, plain(each["found"]), plain(each["advice"]))
    errors, warnings = (sum(each["level"] == level for each in diagnoses) for level in ("error", "warn"))
    verdict = f"{errors} errors, {warnings} warnings." if errors or warnings else "All is well."
    return Group(table, Text(verdict))
