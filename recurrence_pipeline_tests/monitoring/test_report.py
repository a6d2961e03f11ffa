"""The report of a week of known events: what it says, what it draws, and where it ends up."""

import struct
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.monitoring.report import DRAWN, Report, performance_report
from recurrence_pipeline_tests.world import World

PNG = b"\x89PNG\r\n\x1a\n"
DAY = timedelta(days=1)


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    """Return a worker on a fresh database, at noon of New Year's Day 2024, a Monday."""
    world = World(mongodb_url)
    yield world
    world.close()


def store(world: World, count: int, *, ago: timedelta, duration_ms: int, refused: int = 0) -> None:
    """Store creations that ended `ago`, each with three occurrences; the first `refused` of them were rejected."""
    at = world.now - ago
    lease = at - timedelta(milliseconds=duration_ms)
    event = {"operation": "create", "userId": world.user, "startedAt": lease, "finishedAt": at, "availableAt": lease}
    event |= {"createdAt": lease - timedelta(seconds=2), "durationMs": duration_ms}
    done = {"status": "completed", "result": {"created": [ObjectId() for _ in range(3)], "deleted": 0}}
    world.worker.mongo.events.insert_many(
        {"_id": ObjectId(), "taskId": ObjectId()} | event | (done if number >= refused else {"status": "rejected"})
        for number in range(count)
    )


def report(world: World, window: timedelta = 7 * DAY, threshold: float = 50) -> Report:
    return performance_report(world.worker.metrics, world.now, threshold=threshold, window=window)


def row(markdown: str, name: str) -> list[str]:
    """Return the cells behind a name in a table."""
    (line,) = [line for line in markdown.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_it_says_what_was_done_and_what_got_worse(world: World) -> None:
    store(world, 100, ago=20 * DAY, duration_ms=200)
    store(world, 40, ago=2 * DAY, duration_ms=800, refused=4)

    said = report(world)

    assert said.markdown.startswith("# How the work went, Mon 2023-12-25 12:00 to Mon 2024-01-01 12:00\n")
    assert "Events that ended: 40; succeeded: 90 %; occurrences made: 108." in said.markdown
    assert "## Compared with Mon 2023-12-04 12:00 to Mon 2023-12-25 12:00" in said.markdown
    assert "* **avgProcessingTime** rose from 200 ms to 800 ms, +300%" in said.markdown
    assert "* **errorRate** rose from 0 % to 10 %" in said.markdown
    assert [each.figure for each in said.worse] == ["avgProcessingTime", "p95", "errorRate"]


def test_its_table_holds_the_figures_of_each_operation_and_of_the_time_before(world: World) -> None:
    store(world, 100, ago=20 * DAY, duration_ms=200)
    store(world, 40, ago=2 * DAY, duration_ms=800, refused=4)

    markdown = report(world).markdown

    assert row(markdown, "") == ["all", "create", "all, before"]
    assert row(markdown, "`tasksProcessed`") == ["40", "40", "100"]
    assert row(markdown, "`p95`") == ["800 ms", "800 ms", "200 ms"]
    assert row(markdown, "`avgQueueAge`") == ["2 s", "2 s", "2 s"]
    assert row(markdown, "Sat 2023-12-30") == ["40", "108", "800 ms", "800 ms", "90 %", "2 s"]
    assert row(markdown, "Sun 2023-12-31") == ["0", "0", "-", "-", "-", "-"]


def test_a_week_like_the_others_is_said_to_be_one(world: World) -> None:
    store(world, 100, ago=20 * DAY, duration_ms=200)
    store(world, 40, ago=2 * DAY, duration_ms=250)

    said = report(world)

    assert "Nothing is more than 50 % worse than it was." in said.markdown
    assert said.worse == []


def test_without_events_there_is_a_report_that_says_so(world: World) -> None:
    """The first week of a new installation must not fail its weekly job."""
    said = report(world)

    assert "Events that ended: 0; succeeded: -; occurrences made: 0.\n" in said.markdown
    assert "Too few events to compare" in said.markdown
    assert "nan" not in said.markdown
    assert set(said.plots) == set(DRAWN)


@pytest.mark.parametrize("window", [timedelta(minutes=90), DAY, 12 * DAY, 400 * DAY])
def test_it_works_for_spans_of_any_length(world: World, window: timedelta) -> None:
    store(world, 30, ago=timedelta(minutes=30), duration_ms=100)

    assert "Events that ended: 30; succeeded: 100 %; occurrences made: 90." in report(world, window).markdown


def test_each_picture_it_names_is_there_and_is_one(world: World) -> None:
    store(world, 30, ago=DAY, duration_ms=100)

    said = report(world)

    for name, picture in said.plots.items():
        assert f"]({name})" in said.markdown
        assert picture.startswith(PNG)
        width, height = struct.unpack(">II", picture[16:24])
        assert width > height > 200
    assert said.markdown.count("![") == len(said.plots)


def test_pictures_show_the_figures(world: World) -> None:
    """Else every plot could be the same empty grid."""
    empty = report(world).plots
    store(world, 30, ago=DAY, duration_ms=100, refused=3)
    drawn = report(world).plots

    assert {name for name in DRAWN if empty[name] != drawn[name]} == set(DRAWN)


def test_written_to_a_folder_the_markdown_finds_its_pictures(world: World, tmp_path: Path) -> None:
    said = report(world)

    written = said.write(tmp_path / "reports" / "week")

    assert [path.name for path in written] == ["report.md", *DRAWN]
    assert (tmp_path / "reports/week/report.md").read_text(encoding="utf-8") == said.markdown
    assert {path.name: path.read_bytes() for path in written[1:]} == said.plots


def test_a_database_that_is_away_is_an_outage(mongodb_url: str) -> None:
    world = World(mongodb_url)
    world.close()
    with pytest.raises(DatabaseUnavailable):
        report(world)
