"""`python -m recurrence_pipeline` is the `recurrence` command."""

import sys

from recurrence_pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
