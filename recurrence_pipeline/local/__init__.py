"""The whole system on one machine: `recurrence demo` and `recurrence up`."""
