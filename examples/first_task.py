"""Store a task that repeats every day, as the application does, and hand it over by an event. Prints the task's id.

python examples/first_task.py

MONGODB_URL names the database; where it is not set, it is that of the `recurrence up` of this folder.
"""

import json
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from bson import ObjectId
from pymongo import MongoClient, ReturnDocument

UP = Path(".recurrence/up.json")
USUAL = {"mongodb_url": "mongodb://127.0.0.1:27117/task-app?directConnection=true&retryWrites=false"}
up = json.loads(UP.read_text()) if UP.exists() else USUAL
database_url = (
    os.environ.get("MONGODB_URL") or up["mongodb_url"] or sys.exit("Set MONGODB_URL as `recurrence up` has it")
)

now = datetime.now(timezone.utc)
tomorrow = (now + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)

with MongoClient(database_url) as client:
    db = client.get_default_database()
    counter = db.counters.find_one_and_update(
        {"_id": "tasks"}, {"$inc": {"sequence_value": 1}}, return_document=ReturnDocument.AFTER
    )
    if counter is None:
        sys.exit("The database is not prepared: recurrence init-db")
    task = {
        "_id": ObjectId(),
        "taskId": counter["sequence_value"],
        "userId": ObjectId(),
        "title": "Water the plants",
        "dueDate": tomorrow,
        "originalDueDate": tomorrow,
        "isCompleted": False,
        "repeatType": "daily",
        "parentTaskId": None,
        "parentRecurringId": None,
        "createdAt": now,
        "updatedAt": now,
    }
    db.tasks.insert_one(task)
    db.task_events.insert_one(
        {"operation": "create", "taskId": task["_id"], "status": "pending", "createdAt": now, "availableAt": now}
    )
sys.stdout.write(f"{task['_id']}\n")
