"""`recurrence events`, `replay` and `restore`: look first, and change something only when told to."""

from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import MISSING, OWNER, WEEKLY, Run

QUIET = {"LOG_LEVEL": "warning"}


def refuse(run: Run, task_id: str = MISSING) -> str:
    """Have an event rejected, because its task is not there, and return its id."""
    assert run("trigger", "create", task_id, "--now").code == 1
    return str(run("events", "--task", task_id, "--json").json[0]["_id"])


def status_of(db: Database[Document], event_id: str) -> str:
    found = db["task_events"].find_one({"_id": ObjectId(event_id)})
    assert found is not None
    return str(found["status"])


# Events


def test_events_lists_what_became_of_each_and_why(prepared: Run) -> None:
    event = refuse(prepared)

    shown = prepared("events").out
    assert event in shown
    for word in (WEEKLY, "pending", MISSING, "rejected", "ORIGINAL_NOT_FOUND", "Original task", "1"):
        assert word in shown
    listed = prepared("events", "--json").json
    assert [(e["taskId"], e["status"]) for e in listed] == [(MISSING, "rejected"), (WEEKLY, "pending")]


def test_events_can_be_narrowed_to_a_status_a_task_and_a_number(prepared: Run) -> None:
    event = refuse(prepared)

    assert [e["_id"] for e in prepared("events", "--status", "rejected", "--json").json] == [event]
    assert [e["_id"] for e in prepared("events", "--task", MISSING, "--json").json] == [event]
    assert [e["_id"] for e in prepared("events", "--limit", "1", "--json").json] == [event]
    assert prepared("events", "--status", "failed").out == "No events.\n"


def test_a_reason_for_which_a_completed_event_was_tried_again_is_none(prepared: Run, db: Database[Document]) -> None:
    prepared("process")
    error = {"kind": "transient", "code": "TRANSIENT", "message": "busy", "at": None, "attempt": 1}
    db["task_events"].update_one({}, {"$set": {"errors": [error]}})

    assert "busy" not in prepared("events").out


def test_events_of_what_is_no_task_is_asked_wrongly(prepared: Run) -> None:
    ran = prepared("events", "--task", "12")
    assert (ran.code, ran.err) == (2, "recurrence: taskId: '12' is not an id of 24 hex digits\n")


# Replay


def test_replay_shows_what_it_would_do_until_it_is_told_to(prepared: Run, db: Database[Document]) -> None:
    event = refuse(prepared)

    shown = prepared("replay")
    assert (shown.code, shown.err) == (0, "")
    assert "1 event would be pending again. Nothing was written: say --yes to do it." in shown.out
    assert "ORIGINAL_NOT_FOUND" in shown.out
    assert status_of(db, event) == "rejected"

    done = prepared("replay", "--yes", **QUIET)
    assert (done.code, done.err) == (0, "")
    assert "1 of 1 event is pending again." in done.out
    assert status_of(db, event) == "pending"
    assert prepared("replay", "--yes", **QUIET).out.splitlines()[0] == "0 of 0 events are pending again."
    assert prepared("replay").out == "No refused event fits.\n"


def test_replay_for_programs(prepared: Run) -> None:
    refuse(prepared)

    assert prepared("replay", "--json").json == {
        "written": False,
        "selected": 1,
        "replayed": 0,
        "more": False,
        "reasons": [
            {
                "operation": "create",
                "status": "rejected",
                "code": "ORIGINAL_NOT_FOUND",
                "reason": "Original task not found",
                "count": 1,
            }
        ],
        "left": [],
    }


def test_replay_takes_only_what_its_options_say(prepared: Run) -> None:
    refuse(prepared)

    def selected(*options: str) -> int:
        return int(prepared("replay", *options, "--json").json["selected"])

    for option, fits, misses in (
        ("--code", "ORIGINAL_NOT_FOUND", "PARTIAL"),
        ("--status", "rejected", "failed"),
        ("--operation", "create", "delete"),
        ("--since", "2020-01-01", "2999-01-01T09:30Z"),
        ("--since", "90m", "2999-01-01"),
        ("--until", "2999-01-01", "2w"),
        ("--until", "2999-01-01", "2020-01-01"),
    ):
        assert (selected(option, fits), selected(option, misses)) == (1, 0), option


def test_replay_says_when_there_are_more(prepared: Run) -> None:
    refuse(prepared)
    refuse(prepared, MISSING[:-1] + "f")

    assert "There are more that fit" in prepared("replay", "--limit", "1").out


def test_replay_of_ids_names_those_that_it_leaves_and_counts_as_failed(prepared: Run, db: Database[Document]) -> None:
    event, unknown = refuse(prepared), str(ObjectId())

    ran = prepared("replay", event, unknown, "--yes", **QUIET)

    assert ran.code == 1
    assert f"- {unknown} is left as it is: there is no such event" in ran.out
    assert status_of(db, event) == "pending"


def test_replay_of_what_is_no_time_or_no_id_is_asked_wrongly(prepared: Run) -> None:
    assert prepared("replay", "--since", "soon").err.startswith("recurrence: since: 'soon' is neither a length")
    assert prepared("replay", "12").code == 2


# Restore


def delete(run: Run, db: Database[Document]) -> str:
    """Have the weekly task's occurrences made, and deleted with it, and return the deletion."""
    assert run("process", **QUIET).code == 0
    db["tasks"].delete_one({"_id": ObjectId(WEEKLY)})
    assert run("trigger", "delete", WEEKLY, "--user-id", OWNER, "--now", "--yes", "--json", **QUIET).json["result"] == 3
    return str(run("restore", "--json").json[0]["deletion"])


def test_restore_lists_deletions_with_who_and_why(prepared: Run, db: Database[Document]) -> None:
    assert prepared("restore").out == "Nothing was deleted that is still kept.\n"
    deletion = delete(prepared, db)

    shown = prepared("restore").out
    for word in (deletion, OWNER, "cascade", "3", "0"):
        assert word in shown
    prepared("restore", deletion, "--yes", **QUIET)
    assert " all " in prepared("restore").out


def test_restore_shows_what_it_would_do_until_it_is_told_to(prepared: Run, db: Database[Document]) -> None:
    deletion = delete(prepared, db)

    shown = prepared("restore", deletion)
    assert (shown.code, shown.err) == (0, "")
    assert "3 to be put back, 0 already there." in shown.out
    assert f"would be the original now, instead of {WEEKLY}, which is gone" in shown.out.replace("\n", " ")
    assert "Nothing was written: say --yes to do it." in shown.out
    assert db["tasks"].count_documents({}) == 0

    done = prepared("restore", deletion, "--yes", **QUIET)
    assert (done.code, done.err) == (0, "")
    assert "3 put back, 0 already there." in done.out
    assert db["tasks"].count_documents({}) == 3
    assert "They were put back before: nothing was written." in prepared("restore", deletion, "--yes", **QUIET).out


def test_restore_for_programs(prepared: Run, db: Database[Document]) -> None:
    deletion = delete(prepared, db)
    first = db["deleted_tasks"].find_one(sort=[("task.dueDate", 1)])
    assert first is not None

    done = prepared("restore", deletion, "--yes", "--json", **QUIET).json

    del done["deletedAt"]
    assert done == {
        "deletion": deletion,
        "deletedBy": OWNER,
        "reason": "cascade",
        "written": True,
        "tasks": 3,
        "restored": 3,
        "alreadyThere": 0,
        "goneSince": 0,
        "restoredBefore": False,
        "newOriginals": [
            {"taskId": str(first["task"]["_id"]), "replaces": WEEKLY, "slot": 1, "anchor": "2024-10-17T02:00:00.000Z"}
        ],
        "renumbered": [],
        "refused": [],
    }


def test_restore_says_which_tasks_got_a_new_number(prepared: Run, db: Database[Document]) -> None:
    deletion = delete(prepared, db)
    copy = db["deleted_tasks"].find_one()
    assert copy is not None
    db["tasks"].insert_one({"taskId": copy["task"]["taskId"]})

    shown = prepared("restore", deletion, "--yes", **QUIET).out

    assert f"- {copy['task']['_id']} has the new number " in shown


def test_restore_where_an_id_is_taken_is_refused_in_one_line(prepared: Run, db: Database[Document]) -> None:
    deletion = delete(prepared, db)
    copy = db["deleted_tasks"].find_one()
    assert copy is not None
    db["tasks"].insert_one({"_id": copy["task"]["_id"], "taskId": -1})

    ran = prepared("restore", deletion, "--yes")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"recurrence: 1 of its tasks are there again and differ: {copy['task']['_id']}; nothing was restored\n"
    )


def test_restore_of_what_is_no_deletion_is_told_apart_from_one_that_is_not_kept(prepared: Run) -> None:
    assert prepared("restore", "12").code == 2
    unknown = prepared("restore", MISSING)
    assert (unknown.code, unknown.err) == (
        1,
        f"recurrence: deletion {MISSING} took nothing that is still kept (see KEEP_DELETED_DAYS)\n",
    )
