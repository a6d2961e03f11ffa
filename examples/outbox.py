"""Hand a task over to the worker by writing an event: what a Python program beside the application does.

MONGODB_URL=mongodb://localhost:27017/task-app python examples/outbox.py create 6b046c58c5f3b9749e070265 [userId] [JSON]

Where MONGODB_URL is not set, it is the database of the `recurrence up` of this folder.
"""

import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import WriteError

UP = Path(".recurrence/up.json")
USUAL = {"mongodb_url": "mongodb://127.0.0.1:27117/task-app?directConnection=true&retryWrites=false"}
up = json.loads(UP.read_text()) if UP.exists() else USUAL
database_url = (
    os.environ.get("MONGODB_URL") or up["mongodb_url"] or sys.exit("Set MONGODB_URL as `recurrence up` has it")
)

operation, task_id, user_id, more, *_ = [*sys.argv[1:], "", ""]
now = datetime.now(timezone.utc)
event = {
    "operation": operation,  # create, complete, delete, update, reopen or skip
    "taskId": ObjectId(task_id),
    "status": "pending",
    "createdAt": now,
    "availableAt": now,
    **json.loads(more or "{}"),  # such as {"slot": 2} of a skip
}
if user_id:  # a delete needs it
    event["userId"] = ObjectId(user_id)

with MongoClient(database_url) as client:
    try:
        inserted = client.get_default_database().task_events.insert_one(event)
    except WriteError as error:
        # What is wrong with the event: the field, its value, and what was expected of it.
        details = (error.details or {}).get("errInfo", {}).get("details")
        sys.exit(f"{error.details['errmsg']}\n{json.dumps(details, indent=2, default=str)}")
sys.stdout.write(f"{inserted.inserted_id}\n")
