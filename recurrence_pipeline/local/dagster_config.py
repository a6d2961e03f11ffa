"""The dagster.yaml that we ship, and how it becomes that of a home: read, and with its files in there."""

import json
import re
from pathlib import Path

import yaml

from recurrence_pipeline.domain.errors import ConfigurationError

PACKAGE = Path(__file__).parents[1]
BASE_DIR = re.compile(r"^(\s+base_dir: *)(\S+) *$", re.MULTILINE)


def shipped(name: str) -> Path:
    """Return the path of a file that an installed package has inside and a repository beside it.

    Raises:
        ConfigurationError: it is in neither place.
    """
    for folder in (PACKAGE, PACKAGE.parent):
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"{name} is neither in {PACKAGE} nor in {PACKAGE.parent}")


def readable(config: Path) -> str:
    """Return the text of a YAML file.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        text = config.read_text(encoding="utf-8")
        if isinstance(yaml.safe_load(text), dict):
            return text
        reason = "it holds no settings"
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
    raise ConfigurationError(f"{config} cannot be read: {reason}. Restore it, or install this package again.")


def anchored(config: str, home: Path) -> str:
    """Return a dagster.yaml whose SQLite files are under `home` for every process, wherever that one is started."""
    return BASE_DIR.sub(lambda found: found[1] + json.dumps(str(home / found[2])), config)
