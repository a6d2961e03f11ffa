"""A plugin of pytest that is loaded before all others: what is compiled once is kept for all processes of the tests.

Containers often set PYTHONDONTWRITEBYTECODE. Then each xdist worker, and each of the programs that tests start, would
compile every module anew, and each run of the tests would rewrite every `assert` anew.
"""

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
