"""What requests and answers look like, for the OpenAPI page. None is parsed with these: see requests.py.

Values of tasks are what the application stored, so their types are as wide as what can be found there.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

HEX = r"^[0-9a-fA-F]{24}$"
HEX_OR_NOTHING = r"^([0-9a-fA-F]{24})?$"
ID = "6b046c55c5f3b9749e06fec5"
ID_OF_OCCURRENCE = "6b046c553c1f0f6cf6bb8b3c"
USER = "507f1f77bcf86cd799439011"
EVENT = "65f1a2b3c4d5e6f708192a3b"
WHEN = "2024-01-31T09:00:00.000Z"
Status = Literal["pending", "processing", "completed", "rejected", "failed"]


class Shape(BaseModel):
    """A JSON object with just these fields."""

    model_config = ConfigDict(extra="forbid")


class RecurrenceRequest(BaseModel):
    """A task was created or completed; other fields are ignored."""

    taskId: str = Field(pattern=HEX, examples=[ID])
    operation: Literal["create", "complete"] = Field(examples=["create"])
    userId: str | None = Field(None, pattern=HEX_OR_NOTHING, examples=[USER])


class DeletionRequest(BaseModel):
    """A task was deleted; other fields are ignored."""

    taskId: str = Field(pattern=HEX, examples=[ID])
    operation: Literal["delete"]
    userId: str = Field(pattern=HEX, description="Whose occurrences are to go.", examples=[USER])


class ValidationRequest(BaseModel):
    """A task as the application is about to store it."""

    task: dict[str, Any] = Field(
        examples=[{"title": "Pay rent", "repeatType": "monthly", "dueDate": "2099-01-31T09:00:00.000Z"}]
    )


class Task(Shape):
    """A task as the application has it; ids are 24 hex digits, dates ISO 8601 with milliseconds and Z."""

    userId: str | None = Field(examples=[USER])
    title: Any = Field(examples=["Pay rent"])
    description: Any = Field(examples=[""])
    dueDate: Any = Field(examples=["2024-02-29T09:00:00.000Z"])
    originalDueDate: Any = Field(examples=["2024-02-29T09:00:00.000Z"])
    priority: Any = Field(examples=["medium"])
    category: Any = Field(examples=["home"])
    isCompleted: Any = Field(examples=[False])
    repeatType: Any = Field(examples=["monthly"])
    parentTaskId: Any = Field(examples=[None])
    parentRecurringId: Any = Field(examples=[ID])
    links: Any = Field(examples=[[]])
    additionalNotes: Any = Field(examples=[""])
    id: str = Field(alias="_id", examples=[ID_OF_OCCURRENCE])
    taskId: Any = Field(examples=[42])
    createdAt: Any = Field(examples=[WHEN])
    updatedAt: Any = Field(examples=[WHEN])
    version: Any = Field(alias="__v", examples=[0])


class Completed(Shape):
    """What a completion came to: the next open occurrence, and the first of those just made."""

    updatedTask: Task | None
    createdTask: Task | None


class RecurrenceData(Shape):
    """What an operation came to: tasks for create, both tasks for complete, a number for delete."""

    success: Literal[True]
    operation: Literal["create", "complete", "delete"]
    taskId: str = Field(examples=[ID])
    result: list[Task] | Completed | int


class RecurrenceAnswer(Shape):
    """The operation is done."""

    success: Literal[True]
    message: str = Field(examples=[f"Successfully processed create for task {ID}"])
    data: RecurrenceData


class CleanupCount(Shape):
    """How many orphans were removed."""

    completed: Literal[True]
    cleanedCount: int = Field(ge=0, examples=[2])


class CleanupOperations(Shape):
    """The parts of a cleanup."""

    orphanedTasksCleanup: CleanupCount


class CleanupData(Shape):
    """What a cleanup came to."""

    timestamp: str = Field(examples=[WHEN])
    operations: CleanupOperations
    success: Literal[True]


class CleanupAnswer(Shape):
    """The cleanup is done."""

    success: Literal[True]
    message: Literal["Cleanup operations completed successfully"]
    data: CleanupData


class Statistics(Shape):
    """Tasks by kind."""

    totalTasks: int = Field(ge=0, examples=[57])
    recurringTasks: int = Field(ge=0, examples=[12])
    recurringInstances: int = Field(ge=0, examples=[36])
    dailyRecurring: int = Field(ge=0, examples=[4])
    weeklyRecurring: int = Field(ge=0, examples=[5])
    monthlyRecurring: int = Field(ge=0, examples=[3])


class Services(Shape):
    """The state of each part."""

    tasksWorker: Literal["operational", "unavailable"]
    recurrenceEngine: Literal["operational", "unavailable"]


class PartOfSystem(Shape):
    """Dagster, or a process of the API, by its heartbeats: since when they have come, and the last one."""

    part: Literal["dagster", "api"] = Field(examples=["dagster"])
    where: str = Field(examples=["worker-1"])
    since: str = Field(examples=[WHEN])
    seenAt: str = Field(examples=[WHEN])
    standsStill: bool = Field(description="No heartbeat for 3 minutes, and it was not stopped.", examples=[False])


class HealthData(Shape):
    """The state of the worker, and of all parts of the system."""

    status: Literal["healthy"]
    timestamp: str = Field(examples=[WHEN])
    services: Services
    stats: Statistics
    parts: list[PartOfSystem]


class HealthAnswer(Shape):
    """The worker can work."""

    success: Literal[True]
    data: HealthData


class UnhealthyData(Shape):
    """Why the worker cannot work."""

    status: Literal["unhealthy"]
    timestamp: str = Field(examples=[WHEN])
    services: Services
    stats: dict[str, int] = Field(examples=[{}])
    error: str = Field(examples=["the database cannot be worked with at the moment"])


class UnhealthyAnswer(Shape):
    """The worker cannot work at the moment."""

    success: Literal[False]
    data: UnhealthyData


class WorkerStatus(Shape):
    """The worker, and its events by status."""

    tasksWorker: Literal["operational"]
    recurrenceEngine: Literal["operational"]
    status: Literal["operational"]
    queue: dict[str, int] = Field(
        default={},
        description="Not for a user's token.",
        examples=[{"pending": 0, "processing": 0, "completed": 7, "rejected": 1, "failed": 0}],
    )


class StatsData(Shape):
    """Figures of one user, or of `all_users`."""

    timestamp: str = Field(examples=[WHEN])
    userId: str = Field(examples=["all_users"])
    recurringTasks: Statistics
    workerStatus: WorkerStatus


class StatsAnswer(Shape):
    """Figures."""

    success: Literal[True]
    data: StatsData


class ValidationData(Shape):
    """The task that may recur, as it was sent."""

    valid: Literal[True]
    task: dict[str, Any] = Field(examples=[{"title": "Pay rent", "repeatType": "none"}])


class ValidationAnswer(Shape):
    """The task may recur."""

    success: Literal[True]
    data: ValidationData


class Event(BaseModel):
    """What is known of an event; other fields come with its history."""

    id: str = Field(alias="_id", pattern=HEX, examples=[EVENT])
    operation: Any = Field(None, examples=["create"])
    taskId: Any = Field(None, examples=[ID])
    userId: Any = Field(None, examples=[USER])
    status: Any = Field(None, examples=["completed"])
    source: Any = Field(None, examples=["api"])
    createdAt: Any = Field(None, examples=[WHEN])
    availableAt: Any = Field(None, examples=[WHEN])
    attempts: Any = Field(None, examples=[0])
    startedAt: Any = Field(None, examples=[WHEN])
    finishedAt: Any = Field(None, examples=[WHEN])
    durationMs: Any = Field(None, examples=[12])
    errors: Any = Field(None, examples=[[]])
    result: Any = Field(None, examples=[{"created": [ID_OF_OCCURRENCE], "updated": None, "deleted": 0}])
    runId: Any = None


class EventsData(Shape):
    """Events, newest first."""

    events: list[Event]


class EventsAnswer(Shape):
    """What happened."""

    success: Literal[True]
    data: EventsData


class ReplayData(Shape):
    """The event, and whether this request made it pending; one that was pending already stays as it is."""

    event: Event
    replayed: bool


class ReplayAnswer(Shape):
    """The event is pending."""

    success: Literal[True]
    message: str = Field(examples=[f"Event {EVENT} is pending"])
    data: ReplayData


class Slot(Shape):
    """One date of a series; `local` and `utc` are the same instant, `note` says what is odd about it."""

    slot: int = Field(examples=[1])
    local: str = Field(examples=["2024-02-29T09:00:00+00:00"])
    utc: str = Field(examples=["2024-02-29T09:00:00.000Z"])
    offset: str = Field(examples=["+00:00"])
    note: str = Field(examples=["31 clamped to 29"])


class PreviewData(Shape):
    """The slots that follow a task's own."""

    taskId: str = Field(examples=[ID])
    slots: list[Slot]


class PreviewAnswer(Shape):
    """When a task comes next."""

    success: Literal[True]
    data: PreviewData
