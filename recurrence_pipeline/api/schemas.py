"""What responses look like: handlers are typed by these, and the OpenAPI page is made from them.

A response is a plain dict of one of these types; none is copied, checked or cut while somebody waits for it. Values of
tasks are what the application stored, so their types are as wide as what can be found there. What requests look like is
in request_schemas.py, what errors look like in errors.py; series_schemas.py has what is answered about one series.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

HEX = r"^[0-9a-fA-F]{24}$"
ID = "6b046c55c5f3b9749e06fec5"
ID_OF_OCCURRENCE = "6b046c553c1f0f6cf6bb8b3c"
USER = "507f1f77bcf86cd799439011"
EVENT = "65f1a2b3c4d5e6f708192a3b"
WHEN = "2024-01-31T09:00:00.000Z"

Id = Annotated[str, Field(pattern=HEX, examples=[ID])]
When = Annotated[str, Field(examples=[WHEN], description="ISO 8601 with milliseconds and Z")]
Count = Annotated[int, Field(ge=0, examples=[3])]
State = Literal["operational", "unavailable"]


class Task(BaseModel):
    """A task with exactly the fields that the application gives it, and what stands where the stored one lacks them.

    What this system adds to tasks (occurrenceNumber, timezone) is not part of the contract.
    """

    model_config = ConfigDict(extra="forbid")

    userId: str | None = Field(None, examples=[USER])
    title: Any = Field("", examples=["Pay rent"])
    description: Any = Field("", examples=[""])
    dueDate: Any = Field(None, examples=["2024-02-29T09:00:00.000Z"])
    originalDueDate: Any = Field(None, examples=["2024-02-29T09:00:00.000Z"])
    priority: Any = Field("medium", examples=["medium"])
    category: Any = Field("", examples=["home"])
    isCompleted: Any = Field(default=False, examples=[False])
    repeatType: Any = Field("none", examples=["monthly"])
    parentTaskId: Any = Field(None, examples=[None])
    parentRecurringId: Any = Field(None, examples=[ID])
    links: Any = Field([], examples=[[]])
    additionalNotes: Any = Field("", examples=[""])
    id: str | None = Field(None, alias="_id", examples=[ID_OF_OCCURRENCE])
    taskId: Any = Field(None, examples=[42])
    createdAt: Any = Field(None, examples=[WHEN])
    updatedAt: Any = Field(None, examples=[WHEN])
    version: Any = Field(0, alias="__v", examples=[0])


class Event(BaseModel):
    """What is known of an event, as far as it has come; who holds it is nobody's business."""

    model_config = ConfigDict(extra="forbid", json_schema_mode_override="validation")

    id: str = Field(alias="_id", pattern=HEX, examples=[EVENT])
    operation: Any = Field(None, examples=["create"])
    taskId: Any = Field(None, examples=[ID])
    userId: Any = Field(None, examples=[USER])
    fromSlot: Any = Field(None, description="Of an update.")
    slot: Any = Field(None, description="Of a skip.")
    undo: Any = Field(None, description="Of a skip.")
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


@with_config(ConfigDict(extra="forbid"))
class Shape(TypedDict):
    """A JSON object with just these fields."""


class Completed(Shape):
    """What a completion came to: the next open occurrence, and the first of those just made."""

    updatedTask: Task | None
    createdTask: Task | None


class RecurrenceData(Shape):
    """What an operation came to: tasks for create, both tasks for complete, a number for delete."""

    success: Literal[True]
    operation: Literal["create", "complete", "delete"]
    taskId: Id
    result: list[Task] | Completed | int


class RecurrenceResponse(Shape):
    """The operation is done."""

    success: Literal[True]
    message: Annotated[str, Field(examples=[f"Successfully processed create for task {ID}"])]
    data: RecurrenceData


class CleanupCount(Shape):
    """How many orphans were removed."""

    completed: Literal[True]
    cleanedCount: Count


class CleanupOperations(Shape):
    """The parts of a cleanup."""

    orphanedTasksCleanup: CleanupCount


class CleanupData(Shape):
    """What a cleanup came to."""

    timestamp: When
    operations: CleanupOperations
    success: Literal[True]


class CleanupResponse(Shape):
    """The cleanup is done."""

    success: Literal[True]
    message: Literal["Cleanup operations completed successfully"]
    data: CleanupData


class Statistics(Shape):
    """Tasks by kind."""

    totalTasks: Count
    recurringTasks: Count
    recurringInstances: Count
    dailyRecurring: Count
    weeklyRecurring: Count
    monthlyRecurring: Count


class CountedInTime(Shape):
    """Tasks by kind; all null where counting them took too long."""

    totalTasks: Count | None
    recurringTasks: Count | None
    recurringInstances: Count | None
    dailyRecurring: Count | None
    weeklyRecurring: Count | None
    monthlyRecurring: Count | None


class Services(Shape):
    """The state of each part."""

    tasksWorker: State
    recurrenceEngine: State


class PartOfSystem(Shape):
    """Dagster, a process of the API, or a worker, by its heartbeats: since when they have come, and the last one."""

    part: Annotated[Literal["dagster", "api", "worker"], Field(examples=["dagster"])]
    where: Annotated[str, Field(examples=["worker-1"])]
    since: When
    seenAt: When
    standsStill: Annotated[bool, Field(description="No heartbeat for 3 minutes, and it was not stopped.")]
    changeStream: Annotated[
        str | None, Field(description="`alive`, or why it listens to no change stream; null of the API.")
    ]


class HealthData(Shape):
    """The state of the worker, and of all parts of the system."""

    status: Literal["healthy"]
    timestamp: When
    services: Services
    stats: CountedInTime
    parts: list[PartOfSystem] | None
    notTaken: NotRequired[
        Annotated[
            dict[str, str],
            Field(
                description="Why `stats` or `parts` are null, where they are.",
                examples=[{"stats": "not read in time: timed out"}],
            ),
        ]
    ]


class HealthResponse(Shape):
    """The worker can work."""

    success: Literal[True]
    data: HealthData


class UnhealthyData(Shape):
    """Why the worker cannot work."""

    status: Literal["unhealthy"]
    timestamp: When
    services: Services
    stats: Annotated[dict[str, int], Field(examples=[{}])]
    error: str


class UnhealthyResponse(Shape):
    """The worker cannot work at the moment."""

    success: Literal[False]
    data: UnhealthyData


class WorkerStatus(Services):
    """The worker, and its events by status."""

    status: Literal["operational"]
    queue: NotRequired[
        Annotated[
            dict[str, int],
            Field(
                description="Not for a user's token.",
                examples=[{"pending": 0, "processing": 0, "completed": 7, "rejected": 1, "failed": 0}],
            ),
        ]
    ]


class StatsData(Shape):
    """Figures of one user, or of `all_users`."""

    timestamp: When
    userId: Annotated[str, Field(examples=["all_users"])]
    recurringTasks: Statistics
    byFrequency: Annotated[dict[str, Count], Field(description="Originals by what their repeatType says.")]
    workerStatus: WorkerStatus


class StatsResponse(Shape):
    """Figures."""

    success: Literal[True]
    data: StatsData


class ValidationData(Shape):
    """The task that may recur, as it was sent."""

    valid: Literal[True]
    task: Annotated[dict[str, Any], Field(examples=[{"title": "Pay rent", "repeatType": "none"}])]


class ValidationResponse(Shape):
    """The task may recur."""

    success: Literal[True]
    data: ValidationData


class EventsData(Shape):
    """Events, newest first."""

    events: list[Event]


class EventsResponse(Shape):
    """What happened."""

    success: Literal[True]
    data: EventsData


class ReplayData(Shape):
    """The event, and whether this request made it pending; one that was pending already stays as it is."""

    event: Event
    replayed: bool


class ReplayResponse(Shape):
    """The event is pending."""

    success: Literal[True]
    message: Annotated[str, Field(examples=[f"Event {EVENT} is pending"])]
    data: ReplayData
