"""What the terminal shows of the switch from the previous worker. Beside common.py, by the same rules."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from recurrence_pipeline.views.common import Data, plain

MARKS = {True: Text("done", "green"), False: Text("to do", "yellow")}


def step_view(data: Data) -> RenderableType:
    """Draw what a step came to, and what a person is to do."""
    head = Text.assemble(f"{data['step']}: ", MARKS[data["done"]] if data["done"] else Text("not done", "bold red"))
    found = [plain(f"- {line}") for line in data["found"]]
    return Group(head, *found, *(plain(f"-> {line}") for line in data["advice"]))


def overview_view(data: Data) -> RenderableType:
    """Draw the steps, and which is next."""
    steps: Sequence[Data] = data["steps"]
    lines = [
        part for step in steps for part in (Text.assemble(f"{step['step']}: ", MARKS[step["done"]]), *_below(step))
    ]
    told = "The switch is made." if data["next"] is None else f"Next: recurrence switch --step {data['next']}"
    return Group(*lines, Text(told))


def _below(step: Data) -> list[Text]:
    return [plain(f"- {line}") for line in (*step["found"], *step["advice"])]
