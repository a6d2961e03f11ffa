"""The worker as a component of another team's project: two databases, side by side in one code location."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from bson import ObjectId
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.component import RecurrenceWorker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.orchestration.naming import SCHEDULES, SENSORS
from recurrence_pipeline.orchestration.resources import ConfiguredWorker, WorkerResource
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.orchestration.conftest import NO_SERVER, USER
from recurrence_pipeline_tests.urls import with_database

pytestmark = [
    pytest.mark.usefixtures("logging_as_before"),
    # Dagster makes the checks of a component again, and warns of a parameter that it gives itself for that.
    pytest.mark.filterwarnings("ignore:Parameter `execution_type` of function `AssetsDefinition.__init__`"),
]

TYPE = "recurrence_pipeline.component.RecurrenceWorker"
PYPROJECT = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{name}"\n'
AT_ONCE = "settings: {WORKER_IDLE_TIMEOUT: 0, SENSOR_WATCH: 0}"
BILLING = f"type: {TYPE}\nattributes:\n  prefix: billing\n  mongodb_url: {{env: BILLING_URL}}\n  {AT_ONCE}\n"
CRM = f"type: {TYPE}\nattributes:\n  prefix: crm\n  environment_prefix: CRM_\n  {AT_ONCE}\n"

Load = Callable[..., dg.Definitions]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Return a function that makes a project of YAML files, by the names of their folders, and loads it."""
    name = f"scratch_{uuid4().hex}"

    def load(**files: str) -> dg.Definitions:
        (tmp_path / "pyproject.toml").write_text(PYPROJECT.format(name=name))
        for folder, text in files.items():
            (tmp_path / "src" / name / "defs" / folder).mkdir(parents=True)
            (tmp_path / "src" / name / "defs" / folder / "defs.yaml").write_text(text)
        for package in (tmp_path / "src" / name, tmp_path / "src" / name / "defs"):
            (package / "__init__.py").touch()
        return dg.load_from_defs_folder(path_within_project=tmp_path / "src" / name)

    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    yield load
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


@pytest.fixture
def crm_url(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[str]:
    database = f"test_{uuid4().hex}"
    yield with_database(mongodb_server, database)
    mongodb_janitor.drop_database(database)


@pytest.fixture
def together(load: Load, mongodb_url: str, crm_url: str, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    monkeypatch.setenv("BILLING_URL", mongodb_url)
    monkeypatch.setenv("CRM_MONGODB_URL", crm_url)
    return load(billing=BILLING, crm=CRM)


@pytest.fixture
def workers(together: dg.Definitions) -> Iterator[dict[str, WorkerResource]]:
    """Return the resources of both, as runs and sensors get them."""
    workers = {f"{name}_worker": opened(together, name) for name in ("billing", "crm")}
    for worker in workers.values():
        worker.open().init_db()
    yield workers
    for worker in workers.values():
        worker.close()


def opened(definitions: dg.Definitions, prefix: str) -> WorkerResource:
    resource = (definitions.resources or {})[f"{prefix}_worker"]
    assert isinstance(resource, ConfiguredWorker)
    worker = resource.process_config_and_initialize()
    assert isinstance(worker, WorkerResource)
    return worker


def hand_over(worker: Worker, title: str) -> None:
    """Insert a daily task, and tell of it."""
    due = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
    task: dict[str, Any] = {"_id": ObjectId(), "taskId": worker.mongo.tasks.count_documents({}) + 1, "userId": USER}
    dates = {"dueDate": due, "originalDueDate": due, "createdAt": due - timedelta(days=1)}
    state = {"title": title, "isCompleted": False, "repeatType": "daily"}
    worker.mongo.tasks.insert_one(task | dates | state | {"parentTaskId": None, "parentRecurringId": None})
    worker.enqueue(str(task["_id"]), "create")


def titles(worker: Worker) -> list[str]:
    return sorted(task["title"] for task in worker.mongo.tasks.find())


def test_two_databases_are_processed_side_by_side(
    together: dg.Definitions, workers: dict[str, WorkerResource], instance: dg.DagsterInstance
) -> None:
    billing, crm = (workers[f"{name}_worker"].open() for name in ("billing", "crm"))
    hand_over(billing, "send the invoices")
    hand_over(crm, "call them")

    result = together.resolve_job_def("billing_process_task_events").execute_in_process(instance=instance)

    assert (titles(billing), titles(crm)) == (["send the invoices"] * 4, ["call them"])
    assert {key.path[0] for event in result.all_events if (key := event.asset_key)} == {"billing"}

    result = together.resolve_job_def("crm_process_task_events").execute_in_process(instance=instance)

    assert (titles(billing), titles(crm)) == (["send the invoices"] * 4, ["call them"] * 4)
    assert {key.path[0] for event in result.all_events if (key := event.asset_key)} == {"crm"}


DAY, WEEK = "2026-11-10", "2026-11-08"


@pytest.mark.parametrize(
    ("job", "asked"),
    [
        ("health_checks", {}),
        ("weekly_maintenance", {}),
        ("daily_maintenance", {"run_config": {"dry_run": False}}),
        ("daily_report", {"partition_key": DAY}),
        ("weekly_report", {"partition_key": WEEK}),
    ],
)
def test_the_jobs_of_one_database_tell_of_its_own_assets_only(
    together: dg.Definitions,
    workers: dict[str, WorkerResource],
    instance: dg.DagsterInstance,
    job: str,
    asked: dict[str, Any],
) -> None:
    workers["crm_worker"].open().mongo.tasks.insert_one(
        {"taskId": 1, "userId": USER, "title": "an orphan", "repeatType": "daily", "parentRecurringId": ObjectId()}
    )
    result = together.resolve_job_def(f"crm_{job}").execute_in_process(instance=instance, **asked)

    told = {key for event in result.all_events if (key := event.asset_key)}
    checked = {check.asset_key for check in result.get_asset_check_evaluations()}
    assert told
    assert {key.path[0] for key in told | checked} == {"crm"}


def ticked(together: dg.Definitions, workers: dict[str, WorkerResource], sensor: str, **more: Any) -> Any:
    with dg.build_sensor_context(resources=workers, **more) as context:
        return together.resolve_sensor_def(sensor).evaluate_tick(context)


def test_what_a_sensor_reports_is_of_its_own_database(
    together: dg.Definitions, workers: dict[str, WorkerResource], instance: dg.DagsterInstance
) -> None:
    for name in ("billing", "crm"):
        worker = workers[f"{name}_worker"].open()
        hand_over(worker, name)
        worker.process_pending()
        worker.mongo.events.update_many({}, {"$set": {"finishedAt": datetime.now(timezone.utc) - timedelta(minutes=5)}})

        reported = ticked(together, workers, f"{name}_processed_event_sensor", instance=instance).asset_events

        assert {event.asset_key.to_user_string() for event in reported} == {
            f"{name}/{asset}" for asset in ("task_events", "tasks", "useractivities")
        }


def test_all_checks_pass_in_one_database_where_one_fails_in_the_other(
    together: dg.Definitions, workers: dict[str, WorkerResource], instance: dg.DagsterInstance
) -> None:
    workers["crm_worker"].open().mongo.events.drop_index("taskId_1")

    found: dict[str, tuple[bool, str | None]] = {}
    for name in ("crm", "billing"):
        result = together.resolve_job_def(f"{name}_health_checks").execute_in_process(instance=instance)
        found |= {
            each.asset_key.path[0]: (each.passed, each.description)
            for each in result.get_asset_check_evaluations()
            if each.check_name == "all_checks_pass"
        }

    assert found["crm"] == (False, "schema_as_needed")
    assert found["billing"][0]


def test_assets_of_both_that_one_run_materializes_show_each_its_own_database(
    together: dg.Definitions, workers: dict[str, WorkerResource], instance: dg.DagsterInstance
) -> None:
    """Dagster puts all assets of a code location into one job: each must ask the worker that is its own."""
    hand_over(workers["crm_worker"].open(), "call them")
    keys = [dg.AssetKey([name, "worker_health"]) for name in ("billing", "crm")]

    result = together.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=keys, instance=instance
    )

    made = {key: result.asset_materializations_for_node(key.to_python_identifier()) for key in keys}
    assert {key.path[0]: event.metadata["tasks"].value for key, (event,) in made.items()} == {"billing": 0, "crm": 1}


def test_each_sensor_starts_the_job_of_its_own_database_and_counts_its_own_runs(
    together: dg.Definitions, workers: dict[str, WorkerResource], instance: dg.DagsterInstance
) -> None:
    hand_over(workers["crm_worker"].open(), "call them")
    instance.add_run(dg.DagsterRun(job_name="billing_process_task_events", status=dg.DagsterRunStatus.STARTED))

    of_billing = ticked(together, workers, "billing_task_event_sensor", instance=instance)
    of_crm = ticked(together, workers, "crm_task_event_sensor", instance=instance)

    assert of_billing.skip_message == "nothing is due"
    assert [request.job_name for request in of_crm.run_requests] in ([None], ["crm_process_task_events"])
    assert [target.job_name for target in together.resolve_sensor_def("crm_task_event_sensor").targets] == [
        "crm_process_task_events"
    ]


def test_the_schedule_of_the_health_checks_asks_for_checks_of_its_own_database(
    together: dg.Definitions, workers: dict[str, WorkerResource], monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = together.resolve_schedule_def("crm_health_checks_schedule")
    monkeypatch.setattr("recurrence_pipeline.orchestration.schedules.FEW", -1)

    with dg.build_schedule_context(resources=workers) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()

    assert {key.path[0] for key in request.asset_selection or ()} == {"crm"}
    assert {key.asset_key.path[0] for key in request.asset_check_keys or ()} == {"crm"}


def test_dagster_asks_for_the_worker_again_and_again_and_a_process_has_one(together: dg.Definitions) -> None:
    first = opened(together, "crm")

    assert opened(together, "crm") is first
    assert opened(together, "billing") is not first


def test_dagster_shows_the_name_of_the_variable_and_never_its_value(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_URL", NO_SERVER)
    definitions = load(billing=BILLING)

    resource = (definitions.resources or {})["billing_worker"]
    shown = repr(resource) + str(resource.get_resource_definition().config_schema.default_value)
    for job in definitions.resolve_all_job_defs():
        shown += dg.serialize_value(job.get_job_snapshot()) + str(job.run_config)

    assert "someone" not in shown
    assert "BILLING_URL" in shown


def test_definitions_can_be_checked_where_the_secrets_are_not_and_a_run_says_what_is_missing(load: Load) -> None:
    definitions = load(billing=BILLING)

    dg.Definitions.validate_loadable(definitions)
    with pytest.raises(dg.DagsterInvalidConfigError, match="BILLING_URL"):
        definitions.resolve_job_def("billing_process_task").execute_in_process()


def test_what_is_not_named_is_there_and_stopped(load: Load) -> None:
    few = BILLING + "  sensors: [task_event_sensor]\n  schedules: []\n"

    repository = load(billing=few).get_repository_def()

    running = {each.name for each in repository.sensor_defs if each.default_status.value == "RUNNING"}
    assert running == {"billing_task_event_sensor"}
    assert {each.name for each in repository.sensor_defs} == {f"billing_{name}" for name in SENSORS}
    assert {each.name: each.default_status.value for each in repository.schedule_defs} == {
        f"billing_{name}": "STOPPED" for name in SCHEDULES
    }


def test_each_worker_has_settings_of_its_own(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_DAILY_MAINTENANCE_TIME", "05:15")
    timed = BILLING.replace("{WORKER", '{DAILY_MAINTENANCE_TIME: "04:30", WORKER')

    definitions = load(billing=timed, crm=CRM)

    crons = {
        name: definitions.resolve_schedule_def(f"{name}_daily_maintenance_schedule") for name in ("billing", "crm")
    }
    assert {name: each.cron_schedule for name, each in crons.items()} == {
        "billing": "30 4 1-31,L * *",
        "crm": "15 5 1-31,L * *",
    }


def test_what_a_file_says_goes_before_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_MONGODB_URL", NO_SERVER)
    monkeypatch.setenv("CRM_WORKER_RUN_MAX_EVENTS", "7")
    monkeypatch.setenv("MANY", "9")

    def run_max_events(**settings: Any) -> Any:
        component = RecurrenceWorker(environment_prefix="CRM_", settings=settings)
        job = component.build_defs(dg.ComponentTree.for_test().load_context).resolve_job_def("process_task_events")
        return (job.run_config or {})["ops"]["lease_events"]["config"]["max_events"]

    assert run_max_events() == 7
    assert run_max_events(WORKER_RUN_MAX_EVENTS=8) == 8


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("prefix: Billing", "prefix: 'Billing' is not up to 30 small letters"),
        ("settings: {WORKER_TIMEOUT: 10s}", "WORKER_TIMEOUT: '10s' is not a number of milliseconds"),
        ("settings: {worker_timeout: 10}", "worker_timeout is no setting; is it WORKER_TIMEOUT?"),
        ("settings: {ABC: {env: X}}", "ABC is no setting"),
        ("settings: {JWT_SECRET: abc}", "JWT_SECRET is a secret, and Dagster's UI would show it"),
        ('mongodb_url: "{{ env.BILLING_URL }}"', "MONGODB_URL: a value here would be seen"),
        ("settings: {DAILY_MAINTENANCE_TIME: 12:30}", "DAILY_MAINTENANCE_TIME: '750' is not a time of day"),  # YAML
        ("settings: {WORKER_TIMEOUT: {env: WRONG}}", "WORKER_TIMEOUT (WRONG): 'abc' is not a number"),
        ("environment_prefix: BAD_", "WORKER_TIMEOUT (BAD_WORKER_TIMEOUT): 'abc' is not a number"),
        ("mongodb_url: null", "mongodb_url: not set; it names the variable with the URL"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(
    load: Load, monkeypatch: pytest.MonkeyPatch, line: str, error: str
) -> None:
    monkeypatch.setenv("BILLING_URL", NO_SERVER)
    monkeypatch.setenv("WRONG", "abc")
    monkeypatch.setenv("BAD_WORKER_TIMEOUT", "abc")
    name = line.partition(":")[0]
    attributes = {"mongodb_url": "mongodb_url: {env: URL}"} | {name: line}
    text = f"type: {TYPE}\nattributes:\n" + "".join(f"  {each}\n" for each in attributes.values())

    cause = str(cause_of(lambda: load(billing=text)))

    assert error in cause
    assert "someone" not in cause


def test_two_workers_of_one_name_are_refused(load: Load) -> None:
    cause = cause_of(lambda: load(one=BILLING, two=BILLING))

    assert "different resources with same key 'billing_worker'" in str(cause)


def cause_of(failing: Callable[[], object]) -> BaseException:
    """Return the first error; around it Dagster puts some that say in which file it was."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 (what is asserted is the first one)
        failing()
    causes: list[BaseException] = [caught.value]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    return causes[-1]


def test_every_attribute_is_described_where_a_yaml_file_is_edited() -> None:
    model = RecurrenceWorker.get_model_cls()
    assert model is not None
    schema = json.loads(json.dumps(model.model_json_schema()))

    assert [name for name, each in schema["properties"].items() if not each.get("description")] == []
    assert schema["properties"].keys() == {
        "prefix",
        "mongodb_url",
        "environment_prefix",
        "settings",
        "sensors",
        "schedules",
    }


def test_a_project_that_has_set_up_its_logs_keeps_them(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    handlers = logging.getLogger().handlers[:]

    load(billing=BILLING)

    assert logging.getLogger().handlers == handlers
    assert Settings.from_environment({}).log_level == "info"
