"""The documents that the application stores, for all tests: what is otherwise in one of them, that test says."""

from datetime import datetime
from typing import Any

from bson import ObjectId

from recurrence_pipeline.storage.documents import Document


def task_document(user: ObjectId, number: int, due: datetime, created: datetime, **fields: Any) -> Document:
    """Return a daily task with every field that the application gives one; `fields` are further ones, or otherwise."""
    return {
        "_id": ObjectId(),
        "taskId": number,
        "userId": user,
        "title": "Daily standup",
        "description": "",
        "dueDate": due,
        "originalDueDate": due,
        "priority": "high",
        "category": "work",
        "isCompleted": False,
        "repeatType": "daily",
        "parentTaskId": None,
        "parentRecurringId": None,
        "links": ["https://example.org"],
        "additionalNotes": "",
        "createdAt": created,
        "updatedAt": created,
        "__v": 0,
    } | fields
