"""Somebody who looks at the pages, as a browser does: keeps cookies, sends forms with what the page put in them."""

import re
from html import unescape
from urllib.parse import urlencode

import httpx

from recurrence_pipeline_tests.api.serving import Api

SECRET = "0123456789abcdef0123456789abcdef"
KEY = "s3cret"
UI = "/internal/ui"
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Visitor:
    """One browser. `said` are the headers that it sends with everything."""

    def __init__(self, api: Api, **said: str) -> None:
        self.client = api.client
        self.client.headers.update(said)

    def get(self, path: str = "", **asked: str) -> httpx.Response:
        """Open a page."""
        return self.client.get(UI + path, params=asked or None)

    def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of the page that has it; the token of the page is in it."""
        return self.send(path, {"csrf": self.token(), **fields})

    def send(self, path: str, fields: dict[str, str], **said: str) -> httpx.Response:
        """Send a form with just these fields."""
        return self.client.post(UI + path, content=urlencode(fields), headers=FORM | said)

    def token(self) -> str:
        """Return what forms repeat."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/sign-in").text)
        assert found is not None
        return found[1]

    def sign_in(self, key: str = KEY) -> httpx.Response:
        """Enter a key, or a token."""
        return self.post("/sign-in", key=key)

    def followed(self, answer: httpx.Response) -> str:
        """Return the page that a form leads to."""
        assert answer.status_code == 303, answer.text
        return text(self.client.get(answer.headers["location"]))


def text(answer: httpx.Response) -> str:
    """Return what a page says, without its markup."""
    assert answer.status_code == 200, answer.text
    body = answer.text[answer.text.index("<main") :]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))
