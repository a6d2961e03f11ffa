"""What a started program inherits. That it dies with us is seen in local/test_embedded.py and test_local.py."""

import subprocess
import sys

import pytest

STARTS_ONE = """
import subprocess, sys
from pathlib import Path
from recurrence_pipeline.local import processes

child = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
processes.start([sys.executable, "-c", child], cwd=Path.cwd(), output=sys.stdout.buffer).wait()
"""


@pytest.mark.parametrize("before", ["", "trap '' INT; "], ids=["in the foreground", "in a script's background"])
def test_what_is_started_can_be_interrupted_though_its_starter_ignores_that(before: str) -> None:
    """Dagster's programs ignore SIGTERM where they ignore SIGINT: they could then only be killed."""
    command = ["/bin/sh", "-c", before + 'exec "$@"', "sh", sys.executable, "-c", STARTS_ONE]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"


APART = """
import sys
from recurrence_pipeline.domain.errors import ConfigurationError, DatabaseUnavailable
from recurrence_pipeline.local.processes import apart

def work():
    import wave
    print("done", flush=True)

def refuse():
    raise ConfigurationError("LOG_FILE: wrong")

def die():
    import os
    os._exit(3)

apart(work)
print("wave" in sys.modules)
for each in (refuse, die):
    try:
        apart(each)
    except (ConfigurationError, DatabaseUnavailable) as error:
        print(type(error).__name__, error)
"""


def test_work_that_is_done_apart_leaves_nothing_behind_and_fails_here() -> None:
    """What watches a system would else keep the database's driver for as long as that runs."""
    printed = subprocess.run([sys.executable, "-c", APART], capture_output=True, text=True, check=True).stdout

    assert printed.splitlines() == [
        "done",
        "False",
        "ConfigurationError LOG_FILE: wrong",
        "DatabaseUnavailable a part of the work ended unexpectedly",
    ]
