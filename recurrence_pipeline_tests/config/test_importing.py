"""Importing without collections, and back to them whatever happens."""

import subprocess
import sys

CODE = """
import gc
from recurrence_pipeline.config.importing import importing

with importing():
    print(gc.isenabled())
print(gc.isenabled(), gc.get_freeze_count() > 1000)
try:
    with importing():
        import nothing_of_that_name
except ImportError:
    print(gc.isenabled())
gc.disable()
with importing():
    pass
print(gc.isenabled())
"""


def test_nothing_is_collected_while_a_program_imports_and_what_it_imported_is_left_alone() -> None:
    printed = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True).stdout

    assert printed.split() == ["False", "True", "True", "True", "False"]
