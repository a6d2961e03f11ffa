"""What was missed: recurring work that was never queued, found by walks over the tasks."""
