"""The API leaves heartbeats, and tells of a Dagster that stands still: a real database and a real webhook."""

from collections.abc import Iterator
from threading import Thread

import pytest
import structlog.testing

from recurrence_pipeline.api.watch import Watch
from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.heartbeats import Part
from recurrence_pipeline_tests.heartbeats import pass_minutes
from recurrence_pipeline_tests.stub_server import StubServer, answers, stub_server
from recurrence_pipeline_tests.world import World

STILL = "[ERROR] recurrence: Dagster stands still"
OVER = "[OK] recurrence: Dagster stands still: over"
UI = "https://dagster.example.org"


@pytest.fixture
def webhook() -> Iterator[StubServer]:
    with stub_server() as server:
        server.will(answers(200))
        yield server


class System:
    """Processes of the API, and a Dagster that ticks when it is told to."""

    def __init__(self, world: World, webhook: StubServer) -> None:
        self.world = world
        self._webhook = webhook
        self._dagster = world.worker.parts.process(Part.DAGSTER, "d1")
        self.api, self.other = self.new_api(3000), self.new_api(3001)

    def new_api(self, port: int) -> Watch:
        return Watch(self.world.worker, port)

    def pass_minutes(self, minutes: int, *apis: Watch, ticking: bool) -> None:
        for _ in range(minutes):
            self.pass_at_once(1)
            if ticking:
                self.tick()
            for api in apis or (self.api,):
                api.look()

    def tick(self) -> None:
        self.world.worker.parts.beat(self._dagster)

    def pass_at_once(self, minutes: int) -> None:
        """Let time pass in which nobody does anything: the machine is off."""
        pass_minutes(self.world.worker.mongo.state, minutes)

    @property
    def shown(self) -> dict[str, object]:
        return {str(row["where"]): row["standsStill"] for row in self.world.worker.parts.rows()}

    @property
    def told(self) -> list[str]:
        return [request.body["title"] for request in self._webhook.heard]


@pytest.fixture
def system(mongodb_url: str, webhook: StubServer) -> Iterator[System]:
    world = World(mongodb_url, ALERT_URLS=webhook.url.replace("http", "json"), DAGSTER_UI_URL=UI)
    yield System(world, webhook)
    world.close()


def test_where_dagster_never_ran_nothing_is_said_and_nothing_but_the_heartbeat_is_written(system: System) -> None:
    system.pass_minutes(20, ticking=False)
    assert system.told == []
    kinds = [stored.get("kind") for stored in system.world.worker.mongo.state.find() if "host" in stored]
    assert kinds == ["heartbeat"]
    assert system.world.worker.mongo.state.find_one({"_id": "alerts of the API"}) is None


def test_a_dagster_that_stands_still_is_told_once_and_so_is_its_return(system: System, webhook: StubServer) -> None:
    system.pass_minutes(10, ticking=True)
    system.pass_minutes(2, ticking=False)
    assert system.told == [], "a heartbeat may come late"
    system.pass_minutes(20, ticking=False)
    assert system.told == [STILL]
    lines = webhook.heard[0].body["message"].splitlines()
    assert lines[0].startswith("alert_sensor has not ticked for 3 min")
    assert lines[-1] == f"{UI}/deployment/daemons"
    system.pass_minutes(3, ticking=True)
    assert system.told == [STILL, OVER]


def test_of_two_processes_at_once_one_tells(system: System) -> None:
    system.pass_minutes(8, system.api, system.other, ticking=True)
    for _ in range(8):
        system.pass_at_once(1)
        threads = [Thread(target=api.look) for api in (system.api, system.other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert system.told == [STILL]


def test_what_the_process_that_told_did_not_live_to_see_another_says_is_over(system: System) -> None:
    system.pass_minutes(8, system.api, system.other, ticking=True)
    system.pass_minutes(5, ticking=False)
    system.pass_minutes(6, system.other, ticking=False)
    system.pass_minutes(2, system.other, ticking=True)
    assert system.told == [STILL, OVER]


def test_who_has_just_started_says_nothing_for_five_minutes(system: System) -> None:
    system.tick()
    system.pass_minutes(5, ticking=False)
    assert system.told == []
    system.pass_minutes(2, ticking=False)
    assert system.told == [STILL]


def test_who_was_off_as_well_gives_dagster_time_to_come_back(system: System) -> None:
    """After a power cut the API is up first: all that stood still meanwhile was off, and is no alert."""
    system.pass_minutes(8, ticking=True)
    system.pass_at_once(180)
    system.api.look()
    system.pass_minutes(4, ticking=False)
    assert system.told == []
    system.pass_minutes(2, ticking=True)
    assert system.told == []


def test_a_database_that_was_away_for_two_minutes_is_nobody_s_silence(system: System) -> None:
    """Nobody could leave a heartbeat meanwhile; the API is the first to look."""
    system.pass_minutes(8, ticking=True)
    system.pass_minutes(1, ticking=False)
    system.pass_at_once(2)
    system.api.look()
    assert system.told == []
    system.pass_minutes(1, ticking=True)
    assert system.told == []
    system.pass_minutes(4, ticking=False)
    assert system.told == [STILL]


def test_a_restart_of_the_api_while_dagster_stands_still_says_neither_over_nor_again(system: System) -> None:
    system.pass_minutes(8, ticking=True)
    system.pass_minutes(6, ticking=False)
    system.api.end()
    system.pass_minutes(10, system.new_api(3000), ticking=False)
    assert system.told == [STILL]


def test_a_dagster_that_is_gone_for_good_is_forgotten_in_silence(system: System) -> None:
    """That it is over would be a lie; and who lets the API alone run knows it."""
    system.pass_minutes(8, ticking=True)
    system.pass_minutes(6, ticking=False)
    system.pass_at_once(2 * 24 * 60)
    system.pass_minutes(10, ticking=False)
    assert system.told == [STILL]
    assert [*system.shown.values()] == [False], "health shows the API alone"
    system.pass_minutes(2, ticking=True)
    assert system.told == [STILL]


def test_an_alert_that_no_channel_took_is_sent_again(system: System, webhook: StubServer) -> None:
    webhook.will(answers(503), answers(200))
    system.pass_minutes(8, ticking=True)
    system.pass_minutes(6, ticking=False)
    assert system.told == [STILL, STILL]


def test_a_process_that_ends_leaves_no_heartbeat_not_even_by_a_look_that_comes_late(system: System) -> None:
    system.pass_minutes(1, system.api, system.other, ticking=False)
    system.api.end()
    system.api.look()
    assert len(system.shown) == 1


def test_the_end_does_not_wait_for_a_database_that_hangs(mongodb_url: str) -> None:
    """What holds up the last word would hold up the stop of the API, for as long as WORKER_TIMEOUT."""
    world = World(f"{mongodb_url}&appName=ending", WORKER_TIMEOUT="60000")
    watch, admin = Watch(world.worker, 3000), world.worker.mongo.client.admin
    watch.look()
    held_up = {"failCommands": ["delete"], "appName": "ending", "blockConnection": True, "blockTimeMS": 20_000}
    admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=held_up)
    try:
        watch.end()
        assert len(world.worker.parts.rows()) == 1, "it was given up before it could be taken back"
    finally:
        admin.command("configureFailPoint", "failCommand", mode="off")
        world.close()


def test_a_database_that_is_away_costs_nothing_and_is_logged_once() -> None:
    url = "mongodb://127.0.0.1:9/nowhere?directConnection=true"
    with (
        open_worker(Settings.from_environment({"MONGODB_URL": url, "WORKER_TIMEOUT": "100"})) as worker,
        structlog.testing.capture_logs() as logged,
    ):
        watch = Watch(worker, 3000)
        watch.look()
        watch.look()
        watch.end()
    assert [(line["log_level"], line["event"]) for line in logged] == [
        ("warning", "no heartbeat can be left, and Dagster is not watched")
    ]
