"""The change from the previous worker to this one, step by step, and back: `recurrence switch`.

Nothing is written here: each step does what a command of its own does, and says whether the next one may follow.
"""
