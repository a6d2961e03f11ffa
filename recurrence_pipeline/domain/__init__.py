"""What recurring tasks mean: pure functions and values. No database, no clock, no framework."""
