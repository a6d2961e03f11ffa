"""Execute the job once, on a throwaway database that holds the sample data, and check what it left undone: nothing."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA

DAGSTER = Path(sys.executable).with_name("dagster")
JOB = ("job", "execute", "-m", "recurrence_pipeline.definitions", "-j", "process_task_events")


def main() -> int:
    """Return 0 where the job succeeded and every event has an end."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder)) as server:
        environment = {"MONGODB_URL": server.url("task-app"), "WORKER_IDLE_TIMEOUT": "0"}
        with open_worker(Settings.from_environment(environment)) as worker:
            worker.init_db()
            worker.import_folder(SAMPLE_DATA)
            log = Path(folder) / "job.log"
            with log.open("wb") as output:
                status = subprocess.run(
                    [DAGSTER, *JOB],
                    env={**os.environ, **environment},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                ).returncode
            counts = worker.queries.event_counts()
            left = worker.queries.unfinished()
        if status or left:
            sys.stdout.write(log.read_text(errors="replace"))
        sys.stdout.write(f"job: exit status {status}; events left: {left}; events: {counts}\n")
        return 1 if status or left else 0


if __name__ == "__main__":
    sys.exit(main())
