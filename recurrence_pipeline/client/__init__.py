"""What is behind trigger.py: the client of the internal API but for the sending itself."""
