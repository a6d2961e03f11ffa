"""Tell the worker over HTTP what happened to a task; where it is away, leave that in the database.

PORT=3000 INTERNAL_API_KEY=... MONGODB_URL=... python examples/trigger.py 6b046c58c5f3b9749e070265

Where they are not set, they are those of the `recurrence up` of this folder.
"""

import json
import os
import sys
from pathlib import Path

from recurrence_pipeline.client import Delivered, Lost, Queued, Refused, WorkerTrigger

(task_id,) = sys.argv[1:]

UP = Path(".recurrence/up.json")
up = json.loads(UP.read_text()) if UP.exists() else {"api_url": "http://127.0.0.1:3001", "mongodb_url": None}
os.environ.setdefault("PORT", up["api_url"].rpartition(":")[2])
os.environ.setdefault("MONGODB_URL", up["mongodb_url"] or "")

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
