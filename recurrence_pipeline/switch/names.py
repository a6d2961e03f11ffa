"""What the steps are called, for the command line: what they do is in steps.py, which takes long to import."""

from enum import Enum


class Step(str, Enum):
    """The steps, in their order; `back` is the way back."""

    SHADOW = "shadow"
    INIT_DB = "init-db"
    BACKFILL = "backfill"
    STOP = "stop"
    GO = "go"
    BACK = "back"


THERE = (Step.SHADOW, Step.INIT_DB, Step.BACKFILL, Step.STOP, Step.GO)
