"""A MongoDB that wants a password and TLS: who has both works, and who has not is told why, at no event's cost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.secured import PASSWORD, SecuredMongo, certificates, secured_mongo
from recurrence_pipeline_tests.world import World, utc

DUE = utc(2024, 1, 1, 13)
PATIENCE = "5000"
"""In ms: how long a client goes on trying to connect; the reason must be known by then."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredMongo]:
    folder = tmp_path_factory.mktemp("secured")
    with secured_mongo(folder / "mongodb", certificates(folder)) as server:
        yield server


@pytest.fixture
def world(server: SecuredMongo) -> Iterator[World]:
    world = World(server.url())
    yield world
    world.worker.mongo.drop()
    world.close()


def test_a_password_and_tls_are_all_that_the_work_needs(world: World) -> None:
    series = world.create(DUE, "daily")
    assert len(world.occurrences(series)) == 3


def test_the_url_of_a_replica_set_finds_its_members_over_tls_too(server: SecuredMongo, world: World) -> None:
    members = World(server.url(replicaSet="secantus", w="majority"))
    assert len(members.occurrences(members.create(DUE, "daily"))) == 3
    assert members.worker.mongo.client.topology_description.replica_set_name == "secantus"
    members.close()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"password": "canary-but-another"}, "authentication failed"), ({"user": "reader"}, "not authorized")],
    ids=["a wrong password", "a user who may only read"],
)
def test_who_may_not_work_is_told_why_and_uses_no_attempt(
    server: SecuredMongo, world: World, wrong: dict[str, str], reason: str
) -> None:
    """Else a rotation of passwords that is not yet complete would make dead letters of good events."""
    event_id = world.add_event("create", world.add_task(DUE, "daily"))
    before = world.event(event_id)
    refused = world.settings.model_copy(update={"mongodb_url": server.url(**wrong)})
    with open_worker(refused) as worker, pytest.raises(DatabaseUnavailable, match=f"(?i)^{reason}") as caught:
        worker.process_pending()
    assert "canary" not in str(caught.value)
    assert world.event(event_id) == before
    assert world.work().count("completed") == 1


def test_without_a_password_nothing_can_be_done(server: SecuredMongo) -> None:
    """Else the others of these tests would prove nothing."""
    nobody = server.url().replace(f"worker:{quote(PASSWORD, safe='')}@", "").replace("&authMechanism=SCRAM-SHA-256", "")
    assert "requires authentication" in why(nobody)


@pytest.mark.secure
def test_what_keeps_tls_from_being_spoken_is_told_without_the_password(server: SecuredMongo) -> None:
    with ThreadPoolExecutor() as pool:
        unknown, plain = pool.map(why, (server.url(tls="&tls=true"), server.url(tls="")))
    assert "certificate verify failed" in unknown, "the authority is not known"
    assert f"127.0.0.1:{server.port}" in plain
    assert "canary" not in unknown + plain


def test_a_command_says_in_one_line_that_the_password_is_wrong(server: SecuredMongo, run: Run) -> None:
    ran = run("stats", MONGODB_URL=server.url(password="canary-but-another"))
    assert (ran.code, ran.err.splitlines()) == (1, ["recurrence: database: authentication failed (code 18)"])
    doctor = run("doctor", "--json", MONGODB_URL=server.url(password="canary-but-another"))
    assert "authentication failed" in doctor.out
    assert "canary" not in doctor.out + doctor.err


def why(url: str) -> str:
    """Return why a worker cannot work on that database."""
    settings = Settings.from_environment({"MONGODB_URL": url, "WORKER_TIMEOUT": PATIENCE})
    with open_worker(settings) as worker, pytest.raises(DatabaseUnavailable) as caught:
        worker.init_db()
    return str(caught.value)
