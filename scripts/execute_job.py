"""Execute the job by hand, on a throwaway database that holds the sample data, and check what it left undone: nothing.

With `dg launch`, and with the command of Dagster that people knew before, which then finds nothing to do.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA

CODE = ("-m", "recurrence_pipeline.definitions")
JOB = "process_task_events"
COMMANDS = (("dg", "launch", *CODE, "--job", JOB), ("dagster", "job", "execute", *CODE, "-j", JOB))


def execute(command: Sequence[str], environment: Mapping[str, str], output: BinaryIO) -> int:
    """Return the exit status of a command of this environment's."""
    program = Path(sys.executable).with_name(command[0])
    everything = {**os.environ, **environment}
    return subprocess.run(
        [program, *command[1:]], env=everything, stdout=output, stderr=subprocess.STDOUT, check=False
    ).returncode


def main() -> int:
    """Return 0 where the job succeeded and every event has an end."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder)) as server:
        environment = {"MONGODB_URL": server.url("task-app"), "WORKER_IDLE_TIMEOUT": "0"}
        with open_worker(Settings.from_environment(environment)) as worker:
            worker.init_db()
            worker.import_folder(SAMPLE_DATA)
            log = Path(folder) / "job.log"
            with log.open("wb") as output:
                status = max(execute(command, environment, output) for command in COMMANDS)
            counts = worker.queries.event_counts()
            left = worker.queries.unfinished()
        if status or left:
            sys.stdout.write(log.read_text(errors="replace"))
        sys.stdout.write(f"job: exit status {status}; events left: {left}; events: {counts}\n")
        return 1 if status or left else 0


if __name__ == "__main__":
    sys.exit(main())
