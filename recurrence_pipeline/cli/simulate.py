"""Virtual time: `simulate`. No database is asked, but for a throwaway one with --database."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recurrence_pipeline.cli.session import FAILED, OK, Json, Panel, Session, app
from recurrence_pipeline.domain.errors import InvalidInput

if TYPE_CHECKING:
    from recurrence_pipeline.simulation.scenarios import Scenario
    from recurrence_pipeline.simulation.simulator import Figures

POLICIES = "each, latest, next, completion"
MOST_YEARS = 100
MOST_USERS = 1000
PICTURES = (".png", ".svg")


@app.command(
    rich_help_panel=Panel.LOOK,
    epilog='Example: recurrence simulate --years 5 --late 0.4 --rule "every weekday" --policy each --policy latest',
)
def simulate(  # noqa: PLR0913 (what can be asked for)
    context: typer.Context,
    *,
    years: Annotated[
        int, typer.Option("--years", metavar="N", min=1, max=MOST_YEARS, help="How many years pass.")
    ] = 10,
    users: Annotated[
        int, typer.Option("--users", metavar="N", min=1, max=MOST_USERS, help="How many people have each series.")
    ] = 1,
    late: Annotated[
        float, typer.Option("--late", metavar="SHARE", min=0, max=0.9, help="The share of tasks that is done late.")
    ] = 0.2,
    zones: Annotated[
        list[str] | None,
        typer.Option("--tz", metavar="ZONE", help="IANA time zones, handed round among the users: Europe/Berlin."),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rule", metavar="RULE", help="An RRULE or English words; may be given again. Seven if not given."
        ),
    ] = None,
    policies: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="POLICY", help=f"One of {POLICIES}; may be given again. All if not given."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="What people do follows from it.")] = 0,
    database: Annotated[
        bool, typer.Option("--database", help="A real worker on a throwaway embedded database: minutes, not seconds.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw how many tasks are open: FILE.png, FILE.svg, or text."),
    ] = None,
    histories: Annotated[
        int | None,
        typer.Option(
            "--histories", metavar="N", min=1, help="Run so many short random histories, from --seed on, instead."
        ),
    ] = None,
    replay: Annotated[
        int | None, typer.Option("--replay", metavar="SEED", help="Tell the short history of a seed instead.")
    ] = None,
    as_json: Json = False,
) -> int:
    """See what rules and policies come to in years, within seconds.

    People complete tasks on time, late, early, or never, and delete some. The table has, for each rule and policy, how
    many tasks are made, are open at once, are missed and are retired, and what they take in the database.

    With --histories it tests the planner: each history is a random series, with people who complete, change and delete,
    and workers that come late, twice, out of order, two at once, or die; after each step every invariant must hold.
    What breaks one is named by a seed, and --replay SEED tells that history step by step. Then the exit code is 1.
    """
    session: Session = context.obj
    if replay is not None:
        return _replay(session, replay, as_json=as_json)
    if histories is not None:
        return _histories(session, seed, histories, as_json=as_json)
    from recurrence_pipeline.simulation.scenarios import DEFAULT_RULES, DEFAULT_ZONE, scenarios
    from recurrence_pipeline.views.simulation import simulation_view

    wanted = scenarios(
        rules or DEFAULT_RULES,
        _policies(policies),
        zones or [DEFAULT_ZONE],
        users=users,
        years=years,
        late=late,
        seed=seed,
    )
    data = _simulated(session, wanted, database=database)
    data = {"years": years, "users": users, "late": late, "seed": seed, **data}
    if plot is not None:
        _plot(plot, data)
    session.show(data, simulation_view, as_json=as_json)
    return OK


def _policies(names: Sequence[str] | None) -> list[Any]:
    from recurrence_pipeline.simulation.scenarios import Policy

    known = {each.value: each for each in Policy}
    wrong = [name for name in names or () if name not in known]
    if wrong:
        raise InvalidInput(f"policy: {wrong[0]!r} is not one of {POLICIES}")
    return [known[name] for name in dict.fromkeys(names or known)]


def _simulated(session: Session, wanted: "Sequence[Scenario]", *, database: bool) -> dict[str, Any]:
    from recurrence_pipeline.simulation.scenarios import run_all, table

    began = monotonic()
    results = []
    with session.progress() as bar:
        task = bar.add_task("simulating", total=len(wanted))
        for result in _in_database(session, wanted) if database else run_all(wanted):
            results.append(result)
            bar.advance(task)
    return {"database": database, "seconds": round(monotonic() - began, 1), "series": table(results)}


def _in_database(session: Session, wanted: "Sequence[Scenario]") -> "Iterator[tuple[Scenario, Figures]]":
    """Run scenarios one after the other, each in a database of its own on a server that goes away with its data."""
    from recurrence_pipeline.config.settings import Settings
    from recurrence_pipeline.local.embedded import EmbeddedServer
    from recurrence_pipeline.simulation.backends import InDatabase
    from recurrence_pipeline.simulation.scenarios import run_scenario

    session.settings()  # what is wrong with them comes first; and logs are as they say
    with TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder)) as server:
        for number, scenario in enumerate(wanted):
            environment = {**session.environment, "MONGODB_URL": server.url(f"simulation_{number}")}
            with InDatabase(Settings.from_environment(environment)) as backend:
                yield scenario, run_scenario(scenario, backend)


def _plot(file: Path, data: dict[str, Any]) -> None:
    from recurrence_pipeline.views.simulation import open_by_quarter, sparklines

    content = sparklines(data).encode()
    if file.suffix in PICTURES:
        from recurrence_pipeline.simulation.picture import picture

        content = picture(open_by_quarter(data), file.suffix.removeprefix("."))
    try:
        file.write_bytes(content)
    except OSError as error:
        raise InvalidInput(f"plot: {str(file)!r} cannot be written to: {error.strerror}") from error


def _histories(session: Session, first: int, count: int, *, as_json: bool) -> int:
    from dataclasses import asdict

    from recurrence_pipeline.simulation.harness import Tally, run_on_all_cores
    from recurrence_pipeline.views.simulation import broken_line, histories_view

    began, tally, said_of, stopped = monotonic(), Tally(next=first), 0, False
    with session.progress() as bar:
        task = bar.add_task("histories", total=count)
        try:
            for tally in run_on_all_cores(first, count):
                rate = tally.histories / max(monotonic() - began, 0.001)
                said = f"{tally.histories:,} histories, {rate:,.0f}/s, all up to seed {tally.next}"
                bar.update(task, completed=tally.histories, description=said)
                for broken in tally.broken[said_of:]:
                    session.err.print(broken_line(asdict(broken)), markup=False, highlight=False, soft_wrap=True)
                said_of = len(tally.broken)
        except KeyboardInterrupt:  # what was found until then is not lost
            stopped = True
    seconds = round(monotonic() - began, 1)
    data = {"first": first, **asdict(tally), "seconds": seconds}
    session.show(data, histories_view, as_json=as_json)
    if stopped:
        raise KeyboardInterrupt
    return FAILED if tally.broken else OK


def _replay(session: Session, seed: int, *, as_json: bool) -> int:
    from dataclasses import asdict

    from recurrence_pipeline.simulation.harness import replay
    from recurrence_pipeline.views.simulation import replay_view

    replayed = replay(seed)
    session.show(asdict(replayed), replay_view, as_json=as_json)
    return FAILED if replayed.broken else OK
