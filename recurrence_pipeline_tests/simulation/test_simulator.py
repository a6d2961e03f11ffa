"""Years in virtual time: what people do is counted as it is, and memory and a real database come to the same."""

from dataclasses import replace

import pytest

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.english import typed_rule
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.simulation.backends import InDatabase, InMemory
from recurrence_pipeline.simulation.people import People
from recurrence_pipeline.simulation.scenarios import Policy, Scenario, run_all, run_scenario, scenarios, table
from recurrence_pipeline_tests.world import KEPT_LONG

DILIGENT = People(late=0, early=0, never=0, deleted=0)
DAILY = Scenario(typed_rule("every day"), Policy.EACH, 0, "Europe/Berlin", 1, DILIGENT, seed=0)


def test_who_does_every_task_on_time_misses_none_and_has_the_horizon_open() -> None:
    figures = run_scenario(DAILY)
    assert (figures.completed, figures.missed, figures.deleted, figures.retired) == (366, 0, 0, 0)
    assert figures.tasks == 366 + 4, "the next one, and three behind it"
    assert figures.most_open == 4
    assert figures.open == pytest.approx([4.0] * 4, abs=0.01)


def test_who_does_nothing_has_what_the_first_event_made() -> None:
    idle = run_scenario(replace(DAILY, people=People(late=0, early=0, never=1, deleted=0)))
    assert (idle.tasks, idle.completed, idle.missed, idle.most_open) == (4, 0, 3, 4)


def test_who_is_late_has_more_open_and_misses_some() -> None:
    late = run_scenario(replace(DAILY, people=replace(DILIGENT, late=0.5)))
    assert late.missed > 50
    assert late.most_open > 4


def test_the_years_have_all_tasks_but_the_original_and_two_activities_each_at_most() -> None:
    figures = run_scenario(replace(DAILY, years=2))
    assert sum(year.tasks for year in figures.years) == figures.tasks - 1
    assert [year.tasks for year in figures.years] == [369, 365]
    assert sum(year.documents for year in figures.years) == 2 * (figures.tasks - 1) + figures.completed
    assert all(300 < year.size / year.documents < 320 for year in figures.years)


def test_what_is_put_aside_changes_no_figure() -> None:
    """Else years would be simulated of a series that forgets."""
    scenario = replace(DAILY, people=People(late=0.3, never=0.05))
    assert run_scenario(scenario, InMemory(kept=20)) == run_scenario(scenario, InMemory(kept=10_000))


@pytest.mark.parametrize("policy", Policy)
def test_memory_and_a_real_worker_on_a_database_come_to_the_same_figures(policy: Policy, mongodb_url: str) -> None:
    """To the byte; only when a missed task goes may differ: the maintenance asks for series that lack slots."""
    scenario = replace(DAILY, rule=typed_rule("every week"), policy=policy, people=People(late=0.4))
    settings = Settings.from_environment({"MONGODB_URL": mongodb_url, **KEPT_LONG})
    with InDatabase(settings) as database:
        found, wanted = run_scenario(scenario, database), run_scenario(scenario)
    if policy in {Policy.LATEST, Policy.NEXT}:
        found.open, wanted.open = [], []
    assert found == wanted


def test_many_scenarios_on_all_cores_come_to_what_each_does_alone_in_its_order() -> None:
    wanted = [replace(DAILY, user=user, people=People(late=0.3)) for user in range(6)]
    assert list(run_all(wanted)) == [(scenario, run_scenario(scenario)) for scenario in wanted]


def test_users_are_told_together_and_have_their_zones_in_turn() -> None:
    wanted = scenarios(["daily"], [Policy.EACH], ["UTC", "Asia/Tokyo"], users=3, years=1, late=0.2, seed=1)
    assert [scenario.zone for scenario in wanted] == ["UTC", "Asia/Tokyo", "UTC"]
    results = [(scenario, run_scenario(scenario)) for scenario in wanted]
    (row,) = table(results)
    assert row["series"] == 3
    assert row["tasks"] == sum(figures.tasks for _, figures in results)
    assert row["byYear"][0]["bytes"] == row["bytes"]


def test_a_table_leaves_the_figures_as_they_were() -> None:
    figures = run_scenario(DAILY)
    before = replace(figures, years=[replace(year) for year in figures.years])
    table([(DAILY, figures), (replace(DAILY, user=1), run_scenario(DAILY))])
    assert figures == before


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRecurrence, match="timezone: 'Mars/Base'"):
        scenarios(["daily"], [Policy.EACH], ["Mars/Base"], users=1, years=1, late=0.2, seed=1)
