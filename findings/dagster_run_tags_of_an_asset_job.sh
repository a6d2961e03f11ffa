#!/usr/bin/env bash
# Dagster: empty run_tags keep a job's tags off its runs, but for a job of assets.
#
# Guess: tags={"team": "billing"}, run_tags={} says the same of @dg.job and of define_asset_job: the job has the tag, its
#   runs have none. (What is given replaces the default, which is that runs have the job's tags.)
# Seen (dagster 1.13.27, Python 3.11): so it is with @dg.job. define_asset_job takes the empty mapping for one that was
#   not given, and puts the job's tags on every run. With one run tag the job's tags stay off, as guessed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27

DAGSTER_HOME='' "$work/venv/bin/python" - 2>/dev/null <<'PYTHON'
import sys
from importlib.metadata import version

import dagster as dg

print(f"dagster {version('dagster')}, Python {sys.version.split()[0]}")
TEAM = {"team": "billing"}


@dg.asset
def bills(): ...


@dg.op
def send(): ...


@dg.job(tags=TEAM, run_tags={})
def of_ops():
    send()


jobs = [
    of_ops,
    dg.define_asset_job("of_assets", selection=[bills], tags=TEAM, run_tags={}),
    dg.define_asset_job("of_assets_with_one", selection=[bills], tags=TEAM, run_tags={"kind": "monthly"}),
]
definitions = dg.Definitions(assets=[bills], jobs=jobs)


def tags_of_a_run(name):
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def(name).execute_in_process(instance=instance)
        tags = instance.get_run_by_id(result.run_id).tags
    return {key: value for key, value in tags.items() if not key.startswith((".dagster", "dagster/"))}


different = []
for name, guess, described in (
    ("of_ops", {}, {}),
    ("of_assets", {}, TEAM),
    ("of_assets_with_one", {"kind": "monthly"}, {"kind": "monthly"}),
):
    seen = tags_of_a_run(name)
    print(f"tags of a run of {name}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(name)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
