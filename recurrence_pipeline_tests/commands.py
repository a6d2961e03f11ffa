"""What tests of the `recurrence` command share."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

WEEKLY = "6b046c55c5f3b9749e06fec5"
"""A weekly task of the sample data, from 2024-10-17 02:00 UTC on, without occurrences."""

OWNER = "6b046c55c5f3b9749e06febf"
MISSING = "6b046c55c5f3b9749e06fe00"


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, read as a program reads it."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)


Run = Callable[..., Ran]
