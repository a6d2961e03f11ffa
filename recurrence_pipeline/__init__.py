"""The background worker for recurring tasks: see README.md for the operator, DESIGN notes in each module for the reader."""

from importlib.metadata import version

__version__ = version("recurrence-pipeline")
