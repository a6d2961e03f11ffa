"""The address that `recurrence up` prints for people leads to the pages of series."""

import os
from pathlib import Path

import httpx

from recurrence_pipeline.local.api import running_api


def test_the_address_of_the_pages_has_the_list_of_series(mongodb_url: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MONGODB_URL": mongodb_url, "PORT": "", "HOST": "", "INTERNAL_API_KEY": ""}
    with running_api(tmp_path, environment, cwd=tmp_path) as api:
        page = httpx.get(api.pages_url, trust_env=False, timeout=30)
    assert (page.status_code, "<h1>Series</h1>" in page.text) == (200, True)
