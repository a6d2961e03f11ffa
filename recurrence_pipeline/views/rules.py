"""What the terminal shows of a rule that is tried out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def rule_view(data: Mapping[str, Any]) -> RenderableType:
    """Draw the rule in words, where there are any, and as it is written, and its slots, slot 0 first."""
    table = Table("slot", "weekday", f"date and time ({data['timezone']})")
    for number, slot in enumerate(data["slots"]):
        when = datetime.fromisoformat(slot)
        table.add_row(str(number), f"{when:%A}", f"{when:%Y-%m-%d %H:%M}")
    words = [Text(data["words"], style="bold")] if data["words"] else []
    return Group(*words, Text(data["rule"], style="" if words else "bold"), table)
