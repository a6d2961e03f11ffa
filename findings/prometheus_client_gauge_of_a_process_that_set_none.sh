#!/usr/bin/env bash
# prometheus-client, several processes: the minimum of a gauge is 0 as soon as one process only declares it.
#
# Guess: with multiprocess_mode "min" or "max" a gauge is the least or the most of what processes have set; one that
#   imports the module with the gauge and sets nothing (a master, a worker that has just begun) has no say, as it has
#   none in "mostrecent".
# Seen (prometheus-client 0.26.0, Python 3.11): it counts as 0. The age of the oldest event, set to 5 in one process, is 0
#   by "min" once a second process has imported the module; a balance of -4 is 0 by "max". Of a gauge with labels it is
#   from labels(...) on. "mostrecent" is 5, as guessed: it passes over what was never set.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0

cat >"$work/gauges.py" <<'PYTHON'
from prometheus_client import Gauge

MODES = ("min", "max", "livemin", "mostrecent")
GAUGES = {mode: Gauge(f"gauge_{mode}", "A gauge", multiprocess_mode=mode) for mode in MODES}
LABELLED = Gauge("labelled_min", "A gauge with a label", ["queue"], multiprocess_mode="min")
PYTHON
mkdir "$work/files"
cd "$work"
PROMETHEUS_MULTIPROC_DIR="$work/files" "$work/venv/bin/python" - <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

print(f"prometheus-client {version('prometheus-client')}, Python {sys.version.split()[0]}")


def process(code: str) -> None:
    subprocess.run([sys.executable, "-c", f"from gauges import *\n{code}"], check=True)


def value(name: str, labels: dict[str, str] = {}) -> float | None:
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry.get_sample_value(name, labels)


def values() -> list[float | None]:
    return [value("gauge_min"), value("gauge_max"), value("gauge_mostrecent"), value("labelled_min", {"queue": "a"})]


process("for mode, at in (('min', 5), ('max', -4), ('mostrecent', 5)): GAUGES[mode].set(at)\nLABELLED.labels('a').set(5)")
alone = values()
process("")
imported = values()
process("LABELLED.labels('a')")
labelled = values()
cases = (  # what, guess, seen, described: min, max, mostrecent, min with a label
    ("one process has set them", [5, -4, 5, 5], alone, [5, -4, 5, 5]),
    ("and a second has imported the module", [5, -4, 5, 5], imported, [0, 0, 5, 5]),
    ("and a third has asked for the labels", [5, -4, 5, 5], labelled, [0, 0, 5, 0]),
)
different = []
for what, guess, seen, described in cases:
    print(f"{what}: min, max, mostrecent, min with a label\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append(what)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
