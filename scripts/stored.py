"""What each stored field means, by collection. That it names all of them is what a test holds against real documents.

A field is (name, type in the database, who writes it, meaning). Who: `app` the application, `worker` this system,
`both`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from recurrence_pipeline.domain.vocabulary import Action


class Stored(NamedTuple):
    """One field of a document."""

    name: str
    type: str
    by: str
    meaning: str


NUMBER = "number"
DATE = "date"
ID = "ObjectId"

PURPOSES = {
    "tasks": "The application's tasks; originals and their occurrences are among them. The worker inserts occurrences, "
    "sets `parentRecurringId` of the next one, brings those that nobody touched in line with their edited original, "
    "and deletes what a deletion, a cleanup or a change of the series takes.",
    "task_events": "The queue: look at this task, because of what happened to it.",
    "task_series": "What the worker knows of a series by itself. The application neither reads nor writes it.",
    "useractivities": "The activity log of the users. Kept for ACTIVITY_RETENTION_DAYS, then moved to "
    "`useractivities_archive`, which has the same fields and which nothing empties.",
    "counters": "The last number given, for `tasks` and for `useractivities`. The application takes its numbers here "
    "too.",
    "deleted_tasks": "A copy of each task that the worker deleted, for KEEP_DELETED_DAYS.",
    "audit_log": "Who did what from the [pages of the API](../how-to/look-at-series.md), for AUDIT_RETENTION_DAYS.",
    "worker_state": "What the worker keeps about itself: a handful of small documents, told apart by `_id`.",
}

FIELDS: dict[str, list[Stored]] = {
    "tasks": [
        Stored("_id", ID, "both", "of an occurrence: derived from the original's `_id` and the number of the slot"),
        Stored("taskId", NUMBER, "both", "unique, from `counters`"),
        Stored("userId", ID, "both", "whose task it is; only tasks of the original's user are members of a series"),
        Stored("title", "string", "both", "copied to occurrences"),
        Stored("description", "string", "both", "copied to occurrences"),
        Stored("dueDate", DATE, "both", "of an occurrence: its slot. A person may move it; the slot stays"),
        Stored("originalDueDate", DATE, "both", "of an original: the anchor. Of an occurrence: its slot"),
        Stored("priority", "string", "both", "copied to occurrences"),
        Stored("category", "string", "both", "copied to occurrences"),
        Stored("isCompleted", "bool", "app", "occurrences begin with false"),
        Stored("completedAt", DATE, "app", "optional: when it was completed; a rule from completion counts from then, "
               "else from the time of the event"),
        Stored("repeatType", "string", "both", "`none`, `daily`, `weekly`, `monthly`, `yearly` or `custom`; copied to "
               "occurrences"),
        Stored("recurrence", "object", "both", "optional: [any rule](../explanation/calendar.md#any-rule), and "
               "exceptions from it; copied to occurrences"),
        Stored("parentTaskId", "ObjectId or null", "app", "what a sub-task is a child of; sub-tasks cannot repeat"),
        Stored("parentRecurringId", "ObjectId or null", "both", "the original of an occurrence"),
        Stored("links", "array", "both", "copied to occurrences"),
        Stored("additionalNotes", "string", "both", "copied to occurrences"),
        Stored("timezone", "string", "app", "optional: IANA name for the series, else RECURRENCE_TIMEZONE"),
        Stored("occurrenceNumber", NUMBER, "worker", "of an occurrence: its slot's number; added dates have none"),
        Stored("occurrenceAt", "string", "worker", "of an occurrence: its slot on the wall clock of its series, as "
               "`2027-01-15T09:00`"),
        Stored("shiftedTo", "string", "worker", "of an occurrence: where its slot was moved to from a day off, on the "
               "wall clock; not there where it stayed"),
        Stored("writtenAs", "string", "worker", "of an occurrence: a digest of what it copies, its dates and what it "
               "is a child of, as the worker wrote them. One that differs from it was "
               "[touched](../explanation/life-of-a-series.md#touched)"),
        Stored("createdByEvent", ID, "worker", "of an occurrence: the event that made it"),
        Stored("lastMove", "object", "worker", "of what was moved because [its clock changed](../how-to/operate.md#"
               "when-the-law-of-time-changes): `run`, `at`, `due` (the new date), `was` (before), `told` (users know)"),
        Stored("createdAt", DATE, "both", "as Mongoose's timestamps"),
        Stored("updatedAt", DATE, "both", "as Mongoose's timestamps; reconciliation finds changes by it"),
        Stored("__v", NUMBER, "both", "Mongoose's version key; occurrences begin with 0"),
    ],
    "task_events": [
        Stored("_id", ID, "app", ""),
        Stored("operation", "string", "app", "required: `create`, `complete`, `delete`, `update`, `reopen` or "
               "`skip`"),
        Stored("taskId", ID, "app", "required: the task's `_id`, and not its number"),
        Stored("userId", ID, "app", "required of a delete: whose tasks go"),
        Stored("status", "string", "app", "required: `pending`; the worker changes it"),
        Stored("createdAt", DATE, "app", "required: when it happened"),
        Stored("availableAt", DATE, "app", "required: when the event is due; a retry moves it"),
        Stored("fromSlot", NUMBER, "app", "optional, of an update: the first slot to change, for \"this and all "
               "following\""),
        Stored("slot", NUMBER, "app", "optional, of a skip: which slot of the series; without it that of the task"),
        Stored("undo", "bool", "app", "optional, of a skip: the slot is wanted again"),
        Stored("source", "string", "app", "optional: `outbox` (default), `api`, `reconcile`, `manual`"),
        Stored("attempts", NUMBER, "worker", "failures so far"),
        Stored("lease", "object", "worker", "`owner`, `term` (goes up by one with each lease), `until`, `runId` of the "
               "Dagster run, `size` (how many are held together), `deaths` of holders"),
        Stored("startedAt", DATE, "worker", "the last lease began"),
        Stored("finishedAt", DATE, "worker", "it ended"),
        Stored("durationMs", NUMBER, "worker", "from `startedAt` to `finishedAt`"),
        Stored("refusedVersion", DATE, "worker", "of a rejected one: when the task that was refused had changed last"),
        Stored("errors", "array", "worker", "the last 5 failures: `kind`, `code`, `message`, `at`, `attempt`"),
        Stored("result", "object", "worker", "`created` (ids), `updated` (id or null), `deleted` (number), "
               "`changed` (ids of what an update moved or rewrote)"),
        Stored("deleting", "array", "worker", "what a deletion or a reopening has said that it deletes, so that a "
               "later attempt knows"),
        Stored("runId", "string", "worker", "the Dagster run that ended it"),
    ],
    "task_series": [
        Stored("_id", ID, "worker", "the original's"),
        Stored("cursor", "object", "worker", "`number` of the last slot generated, `at` (its wall-clock time), "
               "`revision` (the one it is of, from 0), `passed` (slots before it that have no task by right: paused, "
               "excluded, skipped)"),
        Stored("revisions", "array", "worker", "the rules that slots are counted by, in order: `rule` (a word or "
               "RRULE; `none` while it does not recur), `anchor` (wall-clock time), `timezone`, `anchoredAt` (the "
               "instant it was read from), `from: completion`; of a later one also `first` (its first slot), "
               "`replaces` (from which slot of the one before on) and `start` (when its first slot is, on the wall "
               "clock)"),
        Stored("followed", "string", "worker", "digests of the original's rule with its options, and of its content, "
               "as last followed: another one is an edit that nobody told of"),
        Stored("skipped", "object", "worker", "slots that are not wanted, by number or wall-clock time: `by` (the "
               "event that asked), `task` (the one that went)"),
        Stored("skipChanges", NUMBER, "worker", "how often `skipped` changed: a plan from before is made anew"),
        Stored("added", "array", "worker", "the added dates, as wall-clock times, that were ever generated"),
        Stored("timeZoneData", "string", "worker", "the version with which the anchor was read"),
        Stored("originalSlot", NUMBER, "worker", "the original's own slot, where it took the place of another"),
        Stored("inherited", "bool", "worker", "the series was there before the first `init-db`, and nobody asked yet"),
        Stored("goneSince", DATE, "worker", "since when the original is missing; forgotten after KEEP_DELETED_DAYS"),
    ],
    "useractivities": [
        Stored("_id", ID, "worker", "derived from the fact that it states"),
        Stored("activityId", NUMBER, "both", "unique, from `counters`"),
        Stored("userId", ID, "both", ""),
        Stored("action", "string", "both", "see [events and codes](events.md#activities)"),
        Stored("taskId", ID, "both", ""),
        Stored("message", "string", "both", "at most 500 characters"),
        Stored("timestamp", DATE, "both", ""),
        Stored("error", "string", "both", "of a failure: its cause, at most 1000 characters"),
    ],
    "counters": [
        Stored("_id", "string", "both", "`tasks` or `useractivities`"),
        Stored("sequence_value", NUMBER, "both", "the last number given"),
    ],
    "deleted_tasks": [
        Stored("_id", ID, "worker", "derived from the task and the deletion"),
        Stored("deletion", ID, "worker", "what `recurrence restore` takes"),
        Stored("deletedBy", "ObjectId or null", "worker", "the user of the deletion"),
        Stored("deletedAt", DATE, "worker", ""),
        Stored("reason", "string", "worker", "`cascade`, `orphan`, that an original is gone, or of a change of the "
               "series: `missed`, `skipped`, `updated`, `reopened`, `no longer recurs`"),
        Stored("task", "object", "worker", "the whole task, as it was"),
        Stored("restoring", "object", "worker", "a restoration has begun: `original`, `at`"),
        Stored("restoredAt", DATE, "worker", "the task was put back"),
    ],
    "audit_log": [
        Stored("_id", ID, "worker", ""),
        Stored("at", DATE, "worker", "when it began"),
        Stored("who", "string", "worker", "`key` and the key's name in logs, or an address where no key is set"),
        Stored("act", "string", "worker", "`complete`, `skip`, `rule`, `pause`, `delete`, `restore` or `replay`"),
        Stored("subject", "string", "worker", "the series, or the deletion; `queue` of a replay"),
        Stored("details", "object", "worker", "what was asked for, as it was typed"),
        Stored("endedAt", DATE, "worker", "not there: it is still being done, or the process died meanwhile"),
        Stored("result", "string", "worker", "what came of it, or why it was refused; at most 1000 characters"),
        Stored("ok", "bool", "worker", "whether it was done"),
    ],
    "worker_state": [
        Stored("_id", "string", "worker", "such as `reconciliation`, `host NAME`, `heartbeat NAME`"),
        Stored("watermark", "date or null", "worker", "what was created before it is not reconciled until `backfill`"),
        Stored("storedAt", DATE, "worker", ""),
        Stored("adoptedAt", DATE, "worker", "since when everything is reconciled"),
        Stored("migratedAt", DATE, "worker", "cursors of earlier versions were brought over"),
        Stored("inheritedBefore", "date or null", "worker", "the watermark for which older series were noted"),
        Stored("kind", "string", "worker", "`host`, or `heartbeat` of a part of the system; kept for 30 days"),
        Stored("host", "string", "worker", ""),
        Stored("timeZoneData", "string or null", "worker", "the version that the host uses"),
        Stored("source", "string or null", "worker", "where it is from"),
        Stored("seenAt", DATE, "worker", "when the host last worked; the last heartbeat, by the server's clock"),
        Stored("since", DATE, "worker", "of a heartbeat: since when they have come without a gap"),
        Stored("part", "string", "worker", "of a heartbeat: `dagster`, `api`, or `worker` (one that stays)"),
        Stored("port", "int or null", "worker", "of a heartbeat: the API's"),
        Stored("process", "string", "worker", "of a heartbeat: another one after each start"),
        Stored("changeStream", "string or null", "worker", "of a heartbeat: `alive`, `off`, or why there is no stream"),
        Stored("state", "string or null", "worker", "of `alerts of the API`: what it has told of Dagster"),
        Stored("turn", "string", "worker", "of `alerts of the API`: the process that sends"),
        Stored("until", DATE, "worker", "of `alerts of the API`: how long that process may take"),
        Stored("wanted", "bool", "worker", "of `sample`: it is being loaded"),
        Stored("loadedAt", DATE, "worker", "of `sample`: it was loaded"),
    ],
}  # fmt: skip

ACTIONS: Mapping[Action, str] = {
    Action.CREATED: "an occurrence was made; `taskId` is the occurrence's",
    Action.UPDATED: "a task was completed, and the next one is linked; `taskId` is the completed one's",
    Action.DELETED: "a deletion took occurrences along",
    Action.ORPHAN_CLEANED: "an occurrence without an original was deleted",
    Action.MISSED: "an open occurrence was retired, for its time passed and the rule keeps no missed ones",
    Action.SKIPPED: "an occurrence was retired, for its slot is not wanted",
    Action.UNSKIPPED: "a skipped slot is wanted again; `taskId` is the original's",
    Action.REOPENED: "what a completion made was taken back; `taskId` is that of the task that is open again",
    Action.RETIRED: "an occurrence was retired, for its series has no slot there any more",
    Action.MOVED: "an open occurrence was moved: its series was edited, or its clock has changed; then the "
    "message ends with from when to when",
    Action.SERIES_UPDATED: "an edit of the original was followed; `taskId` is the original's",
    Action.CREATE_FAILED: "a create was rejected or failed; `error` says why",
    Action.COMPLETE_FAILED: "a complete was rejected or failed; `error` says why",
    Action.DELETE_FAILED: "a delete was rejected or failed; `error` says why",
    Action.UPDATE_FAILED: "an update was rejected or failed; `error` says why",
    Action.REOPEN_FAILED: "a reopen was rejected or failed; `error` says what stands in the way",
    Action.SKIP_FAILED: "a skip was rejected or failed; `error` says why",
}
