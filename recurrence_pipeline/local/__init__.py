"""The whole system on one machine: `recurrence demo` and `recurrence up`."""

from recurrence_pipeline.local.demo import run_demo
from recurrence_pipeline.local.up import run_up

__all__ = ["run_demo", "run_up"]
