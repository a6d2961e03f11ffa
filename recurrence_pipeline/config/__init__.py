"""Settings of every kind, secrets, logs and the clock: what each part is given when it is built."""
