"""The background worker for recurring tasks. README.md is for the operator; each module says what belongs in it."""


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: that takes as long as all that the client imports."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 (see above)

    return version("recurrence-pipeline")
