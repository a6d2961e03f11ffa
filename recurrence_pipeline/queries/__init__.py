"""What became of it? Tasks, events and series, read as people and programs ask for them, and acted on from there."""
