"""shadow/: the previous worker, looked at."""
