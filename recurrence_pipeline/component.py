"""The worker as a component: another team adds it to a Dagster project of its own with a YAML file for each database.

    type: recurrence_pipeline.component.RecurrenceWorker
    attributes:
      prefix: billing
      mongodb_url: {env: BILLING_MONGODB_URL}

docs/how-to/component.md leads through it. What is built here is what definitions.py builds for ourselves.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated

import dagster as dg
from pydantic import BaseModel, Field

from recurrence_pipeline.config.logs import configure_if_nobody_has
from recurrence_pipeline.config.settings import SECRET, Settings, variables
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.orchestration.factory import worker_definitions
from recurrence_pipeline.orchestration.naming import SCHEDULES, SENSORS, Names, ScheduleName, SensorName
from recurrence_pipeline.orchestration.resources import ConfiguredWorker

URL = "MONGODB_URL"


class Variable(BaseModel, extra="forbid"):
    """A variable of the environment: it is read where the worker runs, and the UI shows its name alone."""

    env: str = Field(description="The name of the variable.")


Value = Variable | str | int | float | bool


def _variable(_: dg.ResolutionContext, given: Variable | str | None) -> Variable | None:
    if isinstance(given, str):
        raise ConfigurationError(
            f"{URL}: a value here would be seen in the file, and in Dagster's UI: name the variable, {{env: NAME}}"
        )
    return given


def _values(context: dg.ResolutionContext, given: Mapping[str, Value]) -> dict[str, Value]:
    return {
        name: context.resolve_value(value, as_type=str) if isinstance(value, str) else value
        for name, value in given.items()
    }


# The descriptions stand in resolvers: of a field with a default, Dagster takes none that pydantic was given.
@dataclass
class RecurrenceWorker(dg.Component, dg.Resolvable):
    """Makes the next occurrences of recurring tasks in a MongoDB: assets, checks, jobs, sensors and schedules.

    One component is one worker of one database; those of several databases differ in their prefix.
    """

    prefix: Annotated[
        str,
        dg.Resolver.default(
            description="Before the names of all that this worker defines, and before its assets' keys: up to 30 small "
            "letters, digits and underscores. Two workers in a project need two prefixes.",
            examples=["billing"],
        ),
    ] = ""
    mongodb_url: Annotated[
        Variable | None,
        dg.Resolver(
            _variable,
            model_field_type=Variable | None,
            description="The variable that holds the URL of the database; the URL names the database itself, too.",
            examples=[{"env": "BILLING_MONGODB_URL"}],
        ),
    ] = None
    environment_prefix: Annotated[
        str | None,
        dg.Resolver.default(
            description="Read the settings from variables whose names begin so: with BILLING_, WORKER_MAX_RUNS is "
            'BILLING_WORKER_MAX_RUNS. With "" they are read as they are called. Not set: none is read by itself.',
            examples=["BILLING_"],
        ),
    ] = None
    settings: Annotated[
        Mapping[str, Value],
        dg.Resolver(
            _values,
            model_field_type=dict[str, Value],
            description="Settings of the worker, by their names in its documentation; each a value, or {env: NAME} for "
            "the variable that holds it. A secret must be the latter. They go before those of environment_prefix.",
            examples=[
                {"DAILY_MAINTENANCE_TIME": "04:30", "WORKER_MAX_RUNS": 2, "ALERT_URLS": {"env": "BILLING_ALERTS"}}
            ],
        ),
    ] = field(default_factory=dict)
    sensors: Annotated[
        Sequence[SensorName],
        dg.Resolver.default(
            description="The sensors that run by themselves: all, where this is not given. The others are there, and "
            "stopped until somebody starts them.",
            examples=[["task_event_sensor", "dead_run_sensor"]],
        ),
    ] = SENSORS
    schedules: Annotated[
        Sequence[ScheduleName],
        dg.Resolver.default(
            description="The schedules that run by themselves, likewise. Their times are settings.",
            examples=[["daily_maintenance_schedule"], []],
        ),
    ] = SCHEDULES

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 (as Dagster calls it)
        """Build the definitions of this worker.

        Raises:
            ConfigurationError: an attribute or a setting is wrong; the text names it, and its value.
        """
        use_newest_time_zone_data()
        names = Names(self.prefix)
        given = self._given(os.environ)
        settings = _read(given)
        configure_if_nobody_has(settings)
        worker = ConfiguredWorker(settings=given, prefix=self.prefix)
        return worker_definitions(settings, worker, names, sensors=self.sensors, schedules=self.schedules)

    def _given(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return each setting that is given, as its value or as the variable that holds it."""
        given: dict[str, str] = {}
        if (prefix := self.environment_prefix) is not None:
            set_there = [name for name in sorted(variables()) if environment.get(prefix + name, "").strip()]
            given = {name: dg.EnvVar(prefix + name) for name in set_there}
            if f"{URL}_FILE" not in given:  # missed where the worker runs, and not where the definitions are checked
                given[URL] = dg.EnvVar(prefix + URL)
        for name, value in self.settings.items():
            _require_setting(name)
            given[name] = dg.EnvVar(value.env) if isinstance(value, Variable) else _text(name, value)
        if self.mongodb_url is not None:
            given[URL] = dg.EnvVar(self.mongodb_url.env)
        if not given.keys() & {URL, f"{URL}_FILE"}:
            raise ConfigurationError("mongodb_url: not set; it names the variable with the URL: {env: MONGODB_URL}")
        return given


def _require_setting(name: str) -> None:
    if name not in variables():
        near = get_close_matches(name.upper(), variables(), n=1)
        raise ConfigurationError(f"settings: {name} is no setting" + (f"; is it {near[0]}?" if near else ""))


def _text(name: str, value: str | float) -> str:
    """Return the value of a setting as the text of a variable.

    Raises:
        ConfigurationError: it is a secret, which must not stand in a file.
    """
    if name in SECRET:
        raise ConfigurationError(
            f"settings: {name} is a secret, and Dagster's UI would show it: name the variable, {{env: NAME}}"
        )
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(given: Mapping[str, str]) -> Settings:
    """Return the settings as they are where the definitions are loaded; a variable that is not set there is left out.

    Raises:
        ConfigurationError: naming every setting that holds a wrong value, and the variable that it came from.
    """
    values = {
        name: dg.EnvVar.get_value(value) if isinstance(value, dg.EnvVar) else value for name, value in given.items()
    }
    try:
        return Settings.from_environment({name: value for name, value in values.items() if value})
    except ConfigurationError as error:
        lines = [line.partition(":") for line in str(error).splitlines()]
        raise ConfigurationError(
            "\n".join(f"{_origin(name, given.get(name, ''))}:{rest}" for name, _, rest in lines)
        ) from None


def _origin(name: str, value: str) -> str:
    return f"{name} ({value.env_var_name})" if isinstance(value, dg.EnvVar) else name
