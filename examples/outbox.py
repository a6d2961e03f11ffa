"""Hand a task over to the worker by writing an event: what a Python program beside the application does.

MONGODB_URL=mongodb://localhost:27017/task-app python examples/outbox.py create 6b046c58c5f3b9749e070265
"""

import os
import sys
from datetime import datetime, timezone

from bson import ObjectId
from pymongo import MongoClient

operation, task_id, *user_id = sys.argv[1:]
now = datetime.now(timezone.utc)
event = {
    "operation": operation,  # create, complete or delete
    "taskId": ObjectId(task_id),
    "status": "pending",
    "createdAt": now,
    "availableAt": now,
}
if user_id:  # a delete needs it
    event["userId"] = ObjectId(user_id[0])

with MongoClient(os.environ["MONGODB_URL"]) as client:
    inserted = client.get_default_database().task_events.insert_one(event)
sys.stdout.write(f"{inserted.inserted_id}\n")
