"""A plugin of pytest that is loaded before all others: it has the many programs that tests start begin sooner.

What is compiled once is kept for all of them, and each reads started/sitecustomize.py.

Containers often set PYTHONDONTWRITEBYTECODE. Then each xdist worker, and each of the programs that tests start, would
compile every module anew, and each run of the tests would rewrite every `assert` anew.
"""

import os
import sys
from pathlib import Path

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_started = str(Path(__file__).with_name("started"))
_found = os.environ.get("PYTHONPATH", "").split(os.pathsep)
os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([_started, *filter(None, _found)]))
