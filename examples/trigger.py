"""Tell the worker over HTTP what happened to a task; where it is away, leave that in the database.

PORT=3000 INTERNAL_API_KEY=... MONGODB_URL=... python examples/trigger.py 6b046c58c5f3b9749e070265

Where PORT is not set, it is that of the API of `recurrence up`.
"""

import os
import sys

from recurrence_pipeline.client import Delivered, Lost, Queued, Refused, WorkerTrigger

(task_id,) = sys.argv[1:]
os.environ.setdefault("PORT", "3001")

with WorkerTrigger.from_environment(os.environ) as worker:
    try:
        match worker.trigger_task_creation(task_id):
            case Delivered(data):
                said = "due: " + ", ".join(task["dueDate"] for task in data["result"])
            case Queued(event_id, reason):
                said = f"event {event_id} waits for the worker ({reason})"
            case Lost(reason):
                said = f"nobody knows of it ({reason})"
    except Refused as refusal:
        said = f"refused: {refusal.message}"
sys.stdout.write(f"{said}\n")
