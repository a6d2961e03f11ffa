"""Read by each Python program that the tests start: while it imports its modules, it looks for garbage less often.

What is imported stays for good; looking through it again and again is a fifth of the start of Dagster's programs.
"""

import gc

gc.set_threshold(1_000_000, 20, 50)
