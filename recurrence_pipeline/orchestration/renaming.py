"""A set of our definitions under other names, for a worker that stands beside another one in the same code location.

The modules beside this one define each asset, check, job, sensor and schedule once, with Dagster's decorators and the
resources `worker` and `leases`. For a worker with a prefix each is made again here, by the same decorator and from the
same function, with names, keys and resources of that worker. A function that names an asset or a job in what it
returns asks `worker.names`. What a decorator is given and is not carried over here, a test finds: without their
prefix, the definitions are the same as those of a worker that has none.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

import dagster as dg

from recurrence_pipeline.orchestration.naming import Names

WORKER, LEASES = "worker", "leases"
RESOURCES = (WORKER, LEASES)
"""The parameters of functions that are resources of the worker."""

Asset = dg.AssetsDefinition | dg.AssetSpec


def asset(definition: Asset, names: Names) -> Asset:
    """Return an asset under other names."""
    if not names.prefix:
        return definition
    if isinstance(definition, dg.AssetSpec):
        return _spec(definition, names)
    op = definition.op
    return dg.multi_asset(
        name=names(op.name),
        description=op.description,
        specs=[_spec(spec, names) for spec in definition.specs],
        check_specs=[_check_spec(spec, names) for spec in definition.check_specs],
        can_subset=definition.can_subset,
        partitions_def=definition.partitions_def,
        backfill_policy=definition.backfill_policy,
        op_tags=op.tags,
        retry_policy=op.retry_policy,
    )(_function(op, names))


def check(definition: dg.AssetsDefinition, names: Names) -> dg.AssetsDefinition:
    """Return a definition of checks under other names."""
    if not names.prefix:
        return definition
    op = definition.op
    return dg.multi_asset_check(
        name=names(op.name),
        description=op.description,
        specs=[_check_spec(spec, names) for spec in definition.check_specs],
        can_subset=definition.can_subset,
        op_tags=op.tags,
        retry_policy=op.retry_policy,
    )(_function(op, names))


def job(definition: dg.JobDefinition, names: Names, resources: Mapping[str, object]) -> dg.JobDefinition:
    """Return a job of ops under other names, with the resources that these name; its steps are called as before.

    A run of it is one process, and what ops hand on stays in its memory, whatever the code location does elsewhere.
    """
    return _graph(definition.graph, names).to_job(
        name=names(definition.name),
        description=definition.description,
        config=definition.run_config or definition.config_mapping,
        tags=definition.tags,
        run_tags=definition.run_tags,
        metadata=definition.metadata,
        resource_defs={**resources, "io_manager": dg.mem_io_manager},
        executor_def=dg.in_process_executor,
    )


AssetJob = Any  # the type of what `define_asset_job` returns is not public


def asset_job(definition: AssetJob, names: Names, assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> AssetJob:
    """Return a job of assets and checks under other names; `assets` are all there are, under their first names."""
    return dg.define_asset_job(
        names(definition.name),
        selection=_selection(definition.selection, names, assets),
        description=definition.description,
        config=definition.config,
        tags=definition.tags,
        run_tags=definition.run_tags,
        metadata=definition.metadata,
        partitions_def=definition.partitions_def,
        op_retry_policy=definition.op_retry_policy,
        executor_def=dg.in_process_executor,
    )


def sensor(
    definition: dg.SensorDefinition, names: Names, *, status: dg.DefaultSensorStatus | None = None
) -> dg.SensorDefinition:
    """Return a sensor under other names."""
    return dg.sensor(
        name=names(definition.name),
        job_name=names(str(definition.job_name)) if definition.targets else None,
        description=definition.description,
        minimum_interval_seconds=definition.minimum_interval_seconds,
        default_status=status or definition.default_status,
        tags=definition.tags,
        metadata=definition.metadata,
    )(_function(definition, names))


def schedule(
    definition: dg.ScheduleDefinition, names: Names, *, status: dg.DefaultScheduleStatus | None = None
) -> dg.ScheduleDefinition:
    """Return a schedule under other names."""
    same: dict[str, Any] = {
        "name": names(definition.name),
        "job_name": names(definition.job_name),
        "cron_schedule": definition.cron_schedule,
        "execution_timezone": definition.execution_timezone,
        "description": definition.description,
        "default_status": status or definition.default_status,
        "tags": definition.tags,
        "metadata": definition.metadata,
    }
    if inspect.unwrap(definition) is definition:  # it starts its job, and nothing is asked before
        return dg.ScheduleDefinition(**same)
    return dg.schedule(**same)(_function(definition, names))


def _selection(
    selection: dg.AssetSelection, names: Names, assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]
) -> dg.AssetSelection:
    if not names.prefix:
        return selection
    without_worker = {WORKER: dg.ResourceDefinition.none_resource()}  # nothing is run
    graph = dg.Definitions(assets=assets, resources=without_worker).resolve_asset_graph()
    keys = [names.key(key) for key in sorted(selection.resolve(graph))]
    checks = [names.check(key) for key in sorted(selection.resolve_checks(graph))]
    return dg.AssetSelection.assets(*keys).without_checks() | dg.AssetSelection.checks(*checks)


def _graph(graph: dg.GraphDefinition, names: Names) -> dg.GraphDefinition:
    if not names.prefix:
        return graph
    return dg.GraphDefinition(
        name=names(graph.name),
        description=graph.description,
        node_defs=[_op(node, names) for node in graph.node_defs if isinstance(node, dg.OpDefinition)],
        dependencies={
            call._replace(name=names(call.name), alias=call.alias or call.name): before
            for call, before in graph.dependencies.items()
        },
        tags=graph.tags,
    )


def _op(op: dg.OpDefinition, names: Names) -> dg.OpDefinition:
    return dg.op(
        name=names(op.name),
        description=op.description,
        ins=op.ins,
        out=dict(op.outs) if len(op.outs) > 1 else next(iter(op.outs.values())),
        tags=op.tags,
        retry_policy=op.retry_policy,
    )(_function(op, names))


def _spec(spec: dg.AssetSpec, names: Names) -> dg.AssetSpec:
    return spec.replace_attributes(
        key=names.key(spec.key),
        deps=[_dep(dep, names) for dep in spec.deps],
        group_name=names(spec.group_name or "default"),
    )


def _dep(dep: dg.AssetDep, names: Names) -> dg.AssetDep:
    return dg.AssetDep(names.key(dep.asset_key), partition_mapping=dep.partition_mapping)


def _check_spec(spec: dg.AssetCheckSpec, names: Names) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        spec.name,
        asset=names.key(spec.asset_key),
        description=spec.description,
        additional_deps=[_dep(dep, names) for dep in spec.additional_deps],
        blocking=spec.blocking,
        metadata=spec.metadata,
        automation_condition=spec.automation_condition,
        partitions_def=spec.partitions_def,
    )


def _function(definition: Any, names: Names) -> Callable[..., Any]:
    """Return the function that was decorated, with resources of other names as its parameters."""
    function: Callable[..., Any] = inspect.unwrap(definition)
    signature = inspect.signature(function)
    own = {names(resource): resource for resource in RESOURCES}

    def under_own_names(values: Mapping[str, Any]) -> dict[str, Any]:
        return {own.get(name, name): value for name, value in values.items()}

    @wraps(function)
    def call(*args: Any, **values: Any) -> Any:
        return function(*args, **under_own_names(values))

    @wraps(function)
    def generate(*args: Any, **values: Any) -> Iterator[Any]:
        yield from function(*args, **under_own_names(values))

    renamed: Any = generate if inspect.isgeneratorfunction(function) else call
    renamed.__signature__ = signature.replace(
        parameters=[
            parameter.replace(name=names(parameter.name)) if parameter.name in RESOURCES else parameter
            for parameter in signature.parameters.values()
        ]
    )
    return renamed  # type: ignore[no-any-return]
