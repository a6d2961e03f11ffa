"""The change from the previous worker: `switch`, a guide for people and single steps for programs."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from recurrence_pipeline.cli.session import FAILED, OK, TIMES, Json, Panel, Session, app
from recurrence_pipeline.switch.names import Step

if TYPE_CHECKING:
    from recurrence_pipeline.switch.steps import Switch

ASKED = {
    Step.SHADOW: "Look at what the previous worker did otherwise than this one would have? It only reads.",
    Step.INIT_DB: "Prepare the database? It changes no task, and the previous worker goes on working.",
    Step.BACKFILL: "Look at which older series would be continued? It only reads.",
    Step.STOP: "Now have every process of the application send /internal to this worker's API, or write events: "
    "docs/how-to/migrate.md. Then create a recurring task in the application. Is that done? What comes of it "
    "is watched for --watch SECONDS.",
    Step.GO: "Process what is due?",
    Step.BACK: "",
}


@app.command(rich_help_panel=Panel.FIRST_STEPS, epilog="Example: recurrence switch --step shadow --json")
def switch(
    context: typer.Context,
    *,
    step: Annotated[
        Step | None, typer.Option("--step", help="Do this step alone, and ask nothing. `back` is the way back.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help=f"What the shadow compares, from this time on: {TIMES}.")
    ] = "7d",
    watch: Annotated[
        int,
        typer.Option("--watch", metavar="SECONDS", min=0, help="How long `stop`, `go` and `back` watch."),
    ] = 60,
    allow_quiet: Annotated[
        bool,
        typer.Option(
            "--allow-quiet", help="Go on though nothing happened that the previous worker would have answered."
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Change from the previous worker to this one, step by step.

    On a terminal it is a guide: it begins with the first step that the database does not show to be done. Elsewhere it
    says which that is. With --step it does one, and exits with 1 where the next one may not follow.
    """
    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.times import since as beginning
    from recurrence_pipeline.switch.steps import Switch, Wanted
    from recurrence_pipeline.views.switch import overview_view, step_view

    session: Session = context.obj
    wanted = Wanted(beginning("since", since, utc_now()), float(watch), allow_quiet)
    with session.worker() as worker:
        switch = Switch(worker, wanted)
        if step is not None:
            result = switch.run(step)
            session.show(result.as_json(), step_view, as_json=as_json)
            return OK if result.done else FAILED
        if not as_json and session.out.is_terminal and sys.stdin.isatty():
            return _guide(session, switch)
        steps = [each.as_json() for each in switch.overview()]
    following = next((each["step"] for each in steps if not each["done"]), None)
    session.show({"next": following, "steps": steps}, overview_view, as_json=as_json)
    return OK


def _guide(session: Session, switch: "Switch") -> int:
    """Go through what is left, asking before each step; one that is not done may be done again."""
    from recurrence_pipeline.views.switch import step_view

    steps = switch.remaining()
    for step in steps:
        done = False
        while not done:
            if not typer.confirm(f"\n{step.value}: {ASKED[step]}", default=True):
                session.out.print("It goes on here at any time: recurrence switch")
                return OK
            result = switch.run(step)
            session.out.print(step_view(result.as_json()))
            done = result.done
    session.out.print("The switch is made. The way back, at any time: recurrence switch --step back")
    return OK
