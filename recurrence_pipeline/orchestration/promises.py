"""How Dagster calls the checks on the data: by the good state, so that a check that passed says that all is well.

The terminal lists what is wrong, and calls it by that (`orphans: 3`); maintenance/checks.py says what each finds means.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Promise(NamedTuple):
    """The name of a good state, and what it is in a sentence."""

    name: str
    sentence: str


PROMISES: Mapping[str, Promise] = MappingProxyType(
    {
        "orphans": Promise("no_orphans", "Every occurrence hangs on a task that is there, or is about to go."),
        "wrong_id_types": Promise("ids_are_object_ids", "Every id of a task is stored as an ObjectId."),
        "subtasks_left_behind": Promise("no_subtasks_left_behind", "Every sub-task hangs on a task that is there."),
        "slot_clashes": Promise("one_task_per_slot", "No two tasks of a series are on one slot."),
        "owner_differs": Promise("one_owner_per_series", "Every occurrence belongs to the user of its original."),
        "owner_missing": Promise("originals_have_owners", "Every original belongs to a user."),
        "nested_occurrences": Promise("occurrences_hang_on_originals", "No occurrence hangs on an occurrence."),
        "repeat_type_differs": Promise("series_follow_their_originals", "Every series repeats as its original says."),
        "recurring_subtasks": Promise("no_recurring_subtasks", "No sub-task says that it repeats."),
        "missing_original_due_date": Promise("slots_are_dated", "Every recurring task has an originalDueDate."),
        "series_memory_missing": Promise("series_are_remembered", "What the worker worked on it knows of."),
        "first_date_moved": Promise("first_dates_stand", "Every running series begins on the date it began with."),
        "instants_outdated": Promise("instants_show_their_times", "Every open task lies where its wall clock says."),
        "cursor_behind": Promise("no_cursor_behind", "No occurrence is on a slot past the cursor of its series."),
        "cursor_ahead": Promise("no_cursor_ahead", "No cursor is past every slot that its series should reach."),
        "series_behind": Promise("series_are_ahead", "Every series has the slots that it should have by now."),
        "series_stopped": Promise("series_go_on", "Every series has a task left to complete; told, never a failure."),
        "series_unworkable": Promise("series_can_go_on", "Every running series can be continued."),
        "counters_behind": Promise("counters_lead", "Both counters stand at the highest number in use, or above it."),
        "schema": Promise("schema_as_needed", "Every index and validator that the work relies on is there."),
        "events_stuck": Promise("no_lease_abandoned", "Every lease that ran out was taken over."),
        "events_endless": Promise("every_lease_ends", "Every event that is worked on has a lease that runs out."),
        "events_undated": Promise("events_are_dated", "Every event says when it was created and is due."),
        "events_ahead": Promise("events_are_not_ahead", "No unfinished event was dated by a clock that is ahead."),
        "events_waiting": Promise("no_event_waits_long", "No event has been due for more than 15 minutes."),
    }
)
