"""Where people read the code of an asset: the link on its page in Dagster's UI, to the line."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import dagster as dg

from recurrence_pipeline.orchestration import assets


def with_source(asset: assets.Asset, address: str | None) -> assets.Asset:
    """Return an asset with a link to its code below this address; as it is, where there is none."""
    if address is None:
        return asset
    if isinstance(asset, dg.AssetSpec):
        return _linked(asset, _url(address, assets.__name__))
    function: Callable[..., Any] = inspect.unwrap(asset.op)
    url = f"{_url(address, function.__module__)}#L{function.__code__.co_firstlineno}"
    return asset.map_asset_specs(lambda spec: _linked(spec, url))


def _url(address: str, module: str) -> str:
    return f"{address}/{module.replace('.', '/')}.py"


def _linked(spec: dg.AssetSpec, url: str) -> dg.AssetSpec:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # links are in beta: the version of Dagster is pinned
        link = dg.UrlCodeReference(url=url, label=url.rpartition("/")[2])
        return spec.merge_attributes(
            metadata={"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[link])}
        )
