"""A client's tests need what it calls: the same APIs as theirs."""

from recurrence_pipeline_tests.api.conftest import api, open_api

__all__ = ["api", "open_api"]
