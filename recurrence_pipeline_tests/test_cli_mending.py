"""`recurrence events`, `replay` and `restore`: look first, and change something only when told to."""

from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import MISSING, WEEKLY, Run

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
    assert "1 events would be pending again. Nothing was written: say --yes to do it." in shown.out
    assert "ORIGINAL_NOT_FOUND" in shown.out
    assert status_of(db, event) == "rejected"

    done = prepared("replay", "--yes", **QUIET)
    assert (done.code, done.err) == (0, "")
    assert "1 of 1 events are pending again." in done.out
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
    assert prepared("replay", "--since", "soon").err.startswith("recurrence: since: 'soon' is not a time such as")
    assert prepared("replay", "12").code == 2
