"""Each command that a page shows is run as it stands, on a database with a series, a deletion and a refused event.

They share it, for whether one is asked rightly is no matter of what the others did to the data.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from bson import ObjectId
from pymongo import MongoClient

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.docs.pages import PAGES, blocks
from recurrence_pipeline_tests.urls import with_database
from recurrence_pipeline_tests.world import World, utc

PROGRAMS = {"demo", "up", "api", "doctor", "test-alert", "import"}
"""They run until they are stopped, look at the whole machine, or want an empty database: other tests run them."""

STAYS = "--follow"
"""With this option a command runs until it is stopped, too."""

NAMED_ONLY = {"trigger"}
"""Pages speak of it, and of no way to call it."""

LESS = {"simulate": ("--years", "1"), "switch": ("--watch", "0")}
"""What is added, for of an option given twice the last counts: to play ten years, or to watch for a minute, is to ask
no more rightly."""

ASKED_WRONGLY = 2
SHOWN = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:\.venv/bin/|\S*/venv/bin/|~/recurrence/bin/)?recurrence ([a-z-]+[^#`(]*)")


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page, those in blocks and those in its text."""
    lines = "".join(blocks(page, "sh")).splitlines() + re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
    for line in lines:
        found = SHOWN.match(line.removeprefix("$ "))
        if not found or STAYS in found[1].split():
            continue
        if found[1].split()[0] not in PROGRAMS and found[1] not in NAMED_ONLY:
            yield found[1].strip()


EVERY = sorted({command for page in PAGES if page.parent.name != "reference" for command in commands(page)})


@pytest.fixture(scope="module")
def mongodb_url(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    yield with_database(mongodb_server, name)
    mongodb_janitor.drop_database(name)


@pytest.fixture(scope="module")
def filled(mongodb_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Fill the database, and return what stands for the words that a reader replaces."""
    folder, world = tmp_path_factory.mktemp("commands"), World(mongodb_url)
    task = world.create(utc(2024, 1, 1, 9), "daily")
    gone = world.create(utc(2024, 1, 1, 9), "daily")
    deletion = world.add_event("delete", gone)
    refused = world.add_event("create", ObjectId(), createdAt=utc(2023, 1, 1))
    world.work()
    known = {
        "TASK_ID": task, "$TASK": task, "6b046c58c5f3b9749e070265": task, "USER_ID": world.user,
        "DELETION_ID": deletion, "EVENT_ID": refused, "CODE": "TRANSIENT", "NAME": "orphans", "FOLDER": folder,
        "FILE": folder / "written", "RUN": deletion, "ZONE": "Europe/Berlin",
        "1000": 20,  # random histories
    }  # fmt: skip
    yield {word: str(value) for word, value in known.items()}
    world.close()


@pytest.mark.parametrize("command", EVERY)
def test_a_command_that_a_page_shows_is_asked_rightly(command: str, run: Run, filled: dict[str, str]) -> None:
    words = [filled.get(word, word) for word in shlex.split(command)]
    ran = run(*words, *LESS.get(words[0], ()))
    assert ran.code != ASKED_WRONGLY, ran.err


def test_the_pages_show_the_commands_of_everyday() -> None:
    assert {command.split()[0] for command in EVERY} >= {
        "init-db", "process", "trigger", "preview", "series", "stats", "report", "events", "replay",
        "restore", "check", "resume", "backfill", "maintenance", "version",
    }  # fmt: skip
