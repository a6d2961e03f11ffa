"""One Dagster run of the job as a process of its own, as the daemon starts it: `python -m benchmarks.one_run FOLDER`.

With MONGODB_URL in the environment it prints one line of JSON: what the run took, and what Dagster keeps of it.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions

JOB = "process_task_events"
QUIET = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}


def executed(folder: Path) -> dict[str, Any]:
    """Execute the job, with Dagster's files in the folder."""
    definitions = build_definitions(Settings.from_environment(os.environ))
    with dg.DagsterInstance.local_temp(str(folder), overrides=QUIET) as instance:
        before = time.process_time()
        run = definitions.resolve_job_def(JOB).execute_in_process(instance=instance)
        spent = time.process_time() - before
        records = instance.all_logs(run.run_id)
        own = [path for path in folder.rglob("*") if path.is_file() and run.run_id in str(path)]
    return {
        "records": len(records),
        "KB of records": sum(len(dg.serialize_value(record)) for record in records) / 1e3,
        "KB of files": sum(path.stat().st_size for path in own) / 1e3,
        "CPU s": time.process_time(),
        "of it at work": spent,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(executed(Path(sys.argv[1]))) + "\n")
