"""Write docs/reference from the code: `python -m scripts.reference`; with `--check`, say which pages are stale.

What a reader looks up is here: settings, commands, endpoints, codes, documents, metrics, checks. Why and how is in the
pages beside, which people write.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import time, timedelta
from inspect import cleandoc, getdoc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from typer.main import get_command

from recurrence_pipeline.api.app import create_app
from recurrence_pipeline.api.errors import error_from
from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.cli import app
from recurrence_pipeline.config.settings import SECRET, Settings
from recurrence_pipeline.domain import errors
from recurrence_pipeline.domain.content import COPIED_FIELDS
from recurrence_pipeline.domain.errors import ConfigurationError, RecurrenceError
from recurrence_pipeline.domain.vocabulary import Action, EventStatus, Operation, Source
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.maintenance.checks import CHECKS
from recurrence_pipeline.monitoring import metrics
from recurrence_pipeline.monitoring.prometheus import Exporter
from recurrence_pipeline.orchestration.promises import PROMISES
from recurrence_pipeline.storage.command_errors import DatabaseErrors
from recurrence_pipeline.storage.schema import required_indexes
from scripts.described import descriptions
from scripts.http_page import http_page
from scripts.pages import code, page, table, words
from scripts.stored import ACTIONS, FIELDS, PURPOSES

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"

WRONG = "-7"
"""No number, duration, flag, zone or address that a setting takes: what is said of it tells what is taken."""

MONGOOSE = """
occurrenceNumber: Number,
occurrenceAt: String,
shiftedTo: String,
writtenAs: String,
createdByEvent: mongoose.Schema.Types.ObjectId,
lastMove: mongoose.Schema.Types.Mixed,
timezone: String,
recurrence: mongoose.Schema.Types.Mixed,
"""


def pages(worker: Worker) -> dict[str, str]:
    """Return the text of each page by its file name; `worker` is open on an empty, prepared database."""
    return {
        "settings.md": settings_page(),
        "cli.md": cli_page(),
        "http.md": http_page(create_app(worker).openapi()),
        "events.md": events_page(),
        "documents.md": documents_page(),
        "metrics.md": metrics_page(worker),
        "checks.md": checks_page(),
    }


def shown(default: object) -> str:
    """Return the default of a setting as an operator would write it."""
    match default:
        case timedelta():
            return str(int(default.total_seconds() * 1000))
        case time():
            return f"{default:%H:%M}"
        case tuple():
            return ",".join(default) or "not set"
        case bool():
            return str(default).lower()
    return "not set" if default is None else str(default)


def settings_page() -> str:
    """Tell of every environment variable."""
    said = descriptions()
    fields = [(str(f.alias), shown(f.default), said[str(f.alias)]) for f in Settings.model_fields.values()]
    rows = [(f"`{name}`", default, text, refusal(name)) for name, default, text in fields]
    files = [
        (f"`{name}_FILE`", "not set", f"A file that holds the value of `{name}`, in its place.", "")
        for name, _, _ in fields
        if name in SECRET
    ]
    return page(
        "Settings",
        "Environment variables, read once when a program starts. A wrong value is refused with the name of its "
        "variable, the value and the reason (the last column). An empty variable counts as not set. A secret may "
        "stand in a file (of Docker, Kubernetes or systemd) that its variable with `_FILE` names; a line end at the "
        "end of the file is not part of it, and both at once are refused.",
        table(["variable", "default", "meaning", "a wrong value"], [*rows, *files]),
        "`recurrence doctor` names variables that nobody reads.",
    )


def refusal(variable: str) -> str:
    """Return what is said of a wrong value, empty where every text will do."""
    try:
        Settings.from_environment({variable: WRONG})
    except ConfigurationError as error:
        return str(error).removeprefix(f"{variable}: ").removeprefix(repr(WRONG)).removeprefix("the value").strip()
    return ""


def cli_page() -> str:
    """Tell of every command."""
    commands: Mapping[str, Any] = getattr(get_command(app), "commands")  # noqa: B009 (a group has them, not its type)
    return page(
        "The command `recurrence`",
        "Exit codes: 0 done, 1 failed, 2 asked wrongly, 130 interrupted (143 by SIGTERM), 141 when nobody reads the "
        "output any more. Where a program would read the answer there is `--json`. Settings are "
        "[environment variables](settings.md); where `MONGODB_URL` is not set, a command finds the database of the "
        "`recurrence up` that was started in the same folder.",
        table(["command", "what it does"], [(f"[`{n}`](#{n})", commands[n].help.split("\n")[0]) for n in commands]),
        *(part for name in commands for part in _command(name, commands[name])),
    )


def _command(name: str, command: Any) -> Iterator[str]:
    yield f"## {name}"
    yield cleandoc(command.help)
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    if parameters:
        yield table(["argument or option", "default", "meaning"], map(_parameter, parameters))
    yield f"{command.epilog}"


def _parameter(parameter: Any) -> tuple[str, str, str]:
    names = [parameter.metavar or parameter.name.upper()]
    if parameter.opts[0].startswith("-"):
        names = parameter.opts
    default = "" if parameter.default in (None, False) else str(getattr(parameter.default, "value", parameter.default))
    kind = parameter.type_descriptor.annotation
    choices = [str(member.value) for member in kind] if hasattr(kind, "__members__") else []
    return words(names), default, f"{parameter.help or ''} {words(choices)}".strip()


def events_page() -> str:
    """Tell of operations, states, codes and actions."""
    codes = sorted(_codes(), key=lambda kind: kind.code)
    tree = cleandoc(errors.__doc__ or "").split("\n\n", 1)[1]
    return page(
        "Events and codes",
        "## States of an event",
        code((getdoc(EventStatus) or "").split("\n\n", 1)[1]),
        table(
            ["field", "values"],
            [
                ("`operation`", words(each.value for each in Operation)),
                ("`status`", words(each.value for each in EventStatus)),
                ("`source`", words(each.value for each in Source)),
            ],
        ),
        "## Codes",
        "A code stands in `errors.code` of an event and in `code` of an answer of the API; "
        "`recurrence replay --code CODE` takes it. It is stable, the text beside it is not.",
        table(
            ["code", "status of the API", "ends an event as", "meaning"],
            [(f"`{kind.code}`", _status(kind), _ending(kind), getdoc(kind) or "") for kind in codes],
        ),
        "How the errors are sorted, by what to do next:",
        code(tree),
        "## Activities",
        "What the activity log of a user can say. The message is `User performed ACTION :: TASK`, or "
        "`User attempted ACTION :: TASK :: ERROR: TEXT`.",
        table(["action", "what happened"], [(f"`{action.value}`", ACTIONS[action]) for action in Action]),
    )


def _codes() -> Iterator[type[RecurrenceError]]:
    """Yield the kinds of errors that have a code of their own."""
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not RecurrenceError)
    return (kind for kind in kinds if issubclass(kind, RecurrenceError) and "code" in vars(kind))


def _status(kind: type[RecurrenceError]) -> str:
    return str(error_from(kind.__new__(kind)).status)


def _ending(kind: type[RecurrenceError]) -> str:
    if issubclass(kind, errors.Permanent):
        return "`rejected`"
    if issubclass(kind, errors.PoisonEvent):
        return "`failed`"
    if issubclass(kind, errors.TaskNotVisibleYet):
        return "`rejected` as `ORIGINAL_NOT_FOUND`, where the task does not come"
    return "`failed`, after its retries" if issubclass(kind, errors.Transient) else ""


def documents_page() -> str:
    """Tell of collections, fields and indexes."""
    settings = Settings.from_environment({})
    indexes = [
        (f"`{i.collection}`", f"`{dict(i.keys)}`", ", ".join(f"`{n}: {v}`" for n, v in i.options.items()))
        for i in required_indexes(settings)
    ]
    return page(
        "Documents",
        "Collections of the database that `MONGODB_URL` names. `by` says who writes a field: the application (`app`), "
        "the worker, or both. `recurrence init-db` makes collections, validator, indexes and counters.",
        *(part for name in FIELDS for part in (f"## {name}", PURPOSES[name], _fields_of(name))),
        "## Indexes",
        table(["collection", "keys", "options"], indexes),
        "## What a Mongoose schema needs",
        f"An occurrence takes over {words(COPIED_FIELDS)} from its original, as stored. These fields are the worker's "
        "or for it. Add them to the schema of tasks: a document of Mongoose has no property for a field that its "
        "schema does not name, and lacks it where it is stored as a whole (`replaceOne`, `findOneAndReplace`, "
        "`insertMany` of a copy). [The plugin](../how-to/mongoose.md) adds them, and the options of `recurrence`; "
        "without it, by hand:",
        code(MONGOOSE, "js"),
        "Without them nothing is lost by `save()` and `updateOne()`, which write only what changed. An occurrence "
        "whose number was dropped is placed by its date; one that lost `writtenAs` counts as touched, and no change of "
        "its series reaches it.",
        "A validator on `tasks` that allows no fields but its own (`additionalProperties: false`, as `updateSchemas()` "
        "of Papr sets it) has to name these too, and `__v`, and take null where the worker writes it: else it refuses "
        "each occurrence, and the event says which field.",
    )


def _fields_of(collection: str) -> str:
    rows = [(f"`{f.name}`", f.type, f.by, f.meaning) for f in FIELDS[collection]]
    return table(["field", "type", "by", "meaning"], rows)


def metrics_page(worker: Worker) -> str:
    """Tell of the figures, and of the metrics for Prometheus."""
    exporter = Exporter(worker.context.event_metrics, DatabaseErrors(), worker.parts, lateness=timedelta(0))
    exporter.refresh()
    families = sorted(exporter.registry.collect(), key=lambda family: family.name)
    rows = [
        (f"`{f.name}{'_total' if f.type == 'counter' else ''}`", f.type, words(_labels(f)), f.documentation)
        for f in families
        if f.name.startswith("recurrence_")
    ]
    figures, rest = cleandoc(metrics.__doc__ or "").split("\n\n")[2:4]
    return page(
        "Metrics",
        "## Figures",
        "`recurrence stats --since 7d`, the asset `worker_health` and the performance report have these. They come "
        "from the events themselves, so they cover the work of every process. Times are in ms, rates in percent, "
        "hours and days in UTC; percentiles are exact. Completed events are kept for `EVENT_RETENTION_DAYS`: nothing "
        "is measured from before.",
        figures,
        rest,
        "## Prometheus",
        "`PROMETHEUS_METRICS=true recurrence api` serves them at `/metrics` on `METRICS_PORT`. "
        "[Operate](../how-to/operate.md#metrics) tells how they count.",
        table(["metric", "type", "labels", "what it is"], rows),
    )


def _labels(family: Any) -> list[str]:
    names = [name for sample in family.samples for name in sample.labels if name != "le"]
    return list(dict.fromkeys(names or {"recurrence_database_errors": ["command", "cause"]}.get(family.name, [])))


def checks_page() -> str:
    """Tell of the checks on the data."""
    return page(
        "Checks of the data",
        "`recurrence check` makes all of them, `--only NAME` one, `--repair` shows what a repair would change, and "
        "`--repair --yes` does it. Dagster makes them too, as asset checks with the names of the good state. `error`: "
        "work is lost, undone or refused until somebody acts; `warning`: the data contradict themselves, and a person "
        "should decide; `info`: right as it is.",
        table(
            ["check", "in Dagster", "severity", "repair", "what a find means", "what to do"],
            [
                (
                    f"`{c.name}`",
                    f"`{PROMISES[c.name].name}`",
                    c.severity.value,
                    "yes" if c.repairable else "no",
                    c.explanation,
                    c.hint,
                )
                for c in CHECKS
            ],
        ),
    )


def on_an_empty_database(write: Callable[[Worker], dict[str, str]]) -> dict[str, str]:
    """Call with a worker whose database is prepared and holds nothing."""
    with TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder)) as server:
        settings = Settings.from_environment({"MONGODB_URL": server.url("reference")})
        with open_worker(settings) as worker:
            worker.init_db()
            return write(worker)


def main() -> int:
    """Write the pages, or say which are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a page is stale")
    check = parser.parse_args().check
    texts = on_an_empty_database(pages)
    stale = [name for name, text in texts.items() if not _is(FOLDER / name, text)]
    for name in stale:
        if not check:
            (FOLDER / name).write_text(texts[name], encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name}: {'stale; make reference writes it' if check else 'written'}\n")
    return 1 if stale and check else 0


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
