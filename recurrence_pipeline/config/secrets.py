"""Secrets that stand in files, as Docker, Kubernetes and systemd hand them out: NAME_FILE names the file of NAME.

Which variables are secrets, and what they mean, is in settings.py.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from recurrence_pipeline.domain.errors import ConfigurationError

SUFFIX = "_FILE"
LARGEST = 64 * 1024
"""In bytes: a file that is larger is not the one that was meant."""


def read_secret_files(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the environment with the contents of the files that it names, and without their names.

    A final line end is not part of a secret. A variable that is empty counts as not set.

    Raises:
        ConfigurationError: naming each variable and file that cannot be used, and never what a file holds.
    """
    resolved, wrong = dict(environment), []
    for name in sorted(names):
        path = resolved.pop(name + SUFFIX, "").strip()
        if not path:
            continue
        if resolved.get(name, "").strip():
            wrong.append(f"{name}{SUFFIX}: {name} is set too; leave one of the two out")
            continue
        try:
            resolved[name] = _content(Path(path))
        except ValueError as error:
            wrong.append(f"{name}{SUFFIX}: {path!r} {error}")
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return resolved


def _content(path: Path) -> str:
    """Return what a file holds.

    Raises:
        ValueError: with the end of a sentence that begins with the path.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise ValueError(f"holds more than {LARGEST} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:  # which would show what it could not read
        raise ValueError("holds no text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise ValueError("is empty")
    return text
