"""Where the extra `distributed` is not installed, nothing here can be imported; `make secure-test` installs it."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("dagster_postgres") and find_spec("dagster_celery") else ["test_*.py"]
