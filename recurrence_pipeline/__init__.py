"""The background worker for recurring tasks. README.md is for the operator; each module says what belongs in it."""

from importlib.metadata import version

__version__ = version("recurrence-pipeline")
