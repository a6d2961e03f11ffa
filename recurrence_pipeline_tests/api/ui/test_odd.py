"""Odd requests for pages: none is answered with a failure of ours, whatever stands in addresses, forms and cookies."""

import random

from bson import ObjectId

from recurrence_pipeline.api.ui.session import COOKIE, FORM_COOKIE
from recurrence_pipeline.api.ui.visits import ZONE_COOKIE
from recurrence_pipeline_tests.api.serving import Api
from recurrence_pipeline_tests.api.ui.visitor import UI, Visitor
from recurrence_pipeline_tests.world import utc

TIMES = 300
ODD = (
    "", "\0", "a\0b", "%00", "%FF", "\xe9", "\ud83d", "(", "[a-", "\\", "x" * 101, "9" * 50, "-1", "0", "1~", "1~g",
    "~", "1~" + "f" * 24, "0~" + "f" * 24, "2~", "null", "$ne", "{}", "../../../etc/passwd", "/etc/localtime",
    "Europe/", "yes", "due", "running", "9999", "9999-12-31", "0001-01-01", "2024-02-30", "every day", "1e3", "٣",
    "FREQ=DAILY;COUNT=99999999", "f" * 24, "2024-01-01T00:00:00+99:00", "9999-12-31T23:59:59.999Z", "200000000w",
    "\r\nX-A: b", "<b>", "{{ 1 }}",
)  # fmt: skip
NAMES = (
    "user", "search", "status", "order", "overdue", "after", "year", "try", "task", "slot", "rule", "until", "entry",
    "before", "look", "operation", "code", "since", "zone", "key", "series",
)  # fmt: skip


def test_nothing_odd_makes_a_page_fail(api: Api) -> None:
    series = api.world.create(utc(2024, 1, 2, 9), "weekly")
    api.world.worker.change(str(series), "skip", slot=1, dry_run=False)
    [deletion] = [row["deletion"] for row in api.world.worker.deletions.recent(1)]
    chance, visitor = random.Random(7), Visitor(api)
    pages = ["", f"/series/{series}", "/queue", "/audit", f"/deletions/{deletion}", f"/series/{ObjectId()}", "/sign-in"]
    forms = [
        f"/series/{series}/do",
        "/queue/replay",
        f"/deletions/{deletion}/restore",
        "/zone",
        "/sign-in",
        "/sign-out",
    ]
    statuses = set()
    for _ in range(TIMES):
        said = {name: _told(chance) for name in chance.sample(NAMES, 4)}
        said |= {"try": chance.choice(["complete", "skip", "rule", "pause", "delete"])} if chance.random() < 0.5 else {}
        cookies = {name: chance.choice(ODD[2:5] + ODD[14:]) for name in (COOKIE, ZONE_COOKIE) if chance.random() < 0.3}
        cookie = "; ".join(
            f"{name}={value}" for name, value in cookies.items() if value.isascii() and value.isprintable()
        )
        if chance.random() < 0.6:
            answer = visitor.client.get(UI + chance.choice(pages), params=said, headers={"cookie": cookie})
        else:
            token = "t" * 20
            path = chance.choice(forms)
            kept = f"{FORM_COOKIE}={token}" + (f"; {cookie}" if cookie else "")
            answer = visitor.send(path, {"csrf": token, **said}, cookie=kept)
        assert answer.status_code < 500, (answer.request.url, said, cookie, answer.text[:3000])
        statuses.add(answer.status_code)
        assert "<b>" not in answer.text
        assert answer.text.startswith("<!doctype html>") or not answer.text
    assert statuses >= {200, 303, 400, 404}


def test_a_form_that_is_none_is_refused(api: Api) -> None:
    visitor = Visitor(api)
    for body in (b"\xff\xfe", b"&".join(b"a=1" for _ in range(100)), b"{", b"x" * 2_000_000):
        answer = visitor.client.post(f"{UI}/zone", content=body)
        assert answer.status_code in {400, 403, 413}


def _told(chance: random.Random) -> str:
    return chance.choice(ODD).encode("utf-8", "replace").decode()
