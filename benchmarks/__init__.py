"""How fast, how light and how far: measured. What must never change is a count, and guarded by the tests."""
