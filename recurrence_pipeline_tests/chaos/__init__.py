"""A system whose parts are killed all the time, and what must be true of its data. `make chaos` runs it at length."""
