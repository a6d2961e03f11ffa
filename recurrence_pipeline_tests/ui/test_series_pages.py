"""The pages of series as people use them: in a browser, with and without JavaScript, a wide screen or a mouse."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pytest
from bson import ObjectId
from pymongo import MongoClient

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.api.serving import serving
from recurrence_pipeline_tests.ui.conftest import SCREENSHOTS
from recurrence_pipeline_tests.urls import with_database
from recurrence_pipeline_tests.world import World, utc

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]

KEY, SECRET = "s3cret", "0123456789abcdef0123456789abcdef"
MARKUP = "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"
PLANTS = "Water the plants"
UI = "/internal/ui"
Open = Callable[..., "Page"]


class Site:
    """The API with a database of its own, in which time has passed."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.url = url
        self.other_user = ObjectId()
        self.plants = _lived(world)
        self.foreign = world.create(world.now + timedelta(days=1), "daily", userId=self.other_user, title="Of another")
        world.create(world.now + timedelta(days=2), "monthly", title=MARKUP)
        world.create(world.now, "custom", title="A rule that cannot be", recurrence={"rule": "FREQ=NEVER"})
        for each in range(60):
            world.add_task(world.now + timedelta(days=each % 9), "weekly", title=f"Errand {each}")


def _lived(world: World) -> ObjectId:
    """Make a series that was done, forgotten, skipped and paused for half a year."""
    world.now = utc(2024, 1, 2, 8)
    options = {
        "rule": "FREQ=WEEKLY;BYDAY=TU,FR",
        "missed": "latest",
        "paused": [{"from": "2024-07-08", "until": "2024-07-28", "note": "holidays"}],
        "shift": {"to": "next", "holidays": "DE"},
    }
    series = world.create(utc(2024, 1, 2, 9), "custom", title=PLANTS, timezone="Europe/Berlin", recurrence=options)
    for week in range(40):
        world.pass_time(days=3.5)
        for task in [world.task(series), *world.occurrences(series)]:
            if task["isCompleted"] or task["dueDate"] > world.now:
                continue
            if (slot := task.get("occurrenceNumber", 0)) % 9 != 5:
                late = timedelta(hours=20 if slot % 4 == 3 else -1)
                done = {"isCompleted": True, "completedAt": task["dueDate"] + late}
                world.worker.mongo.tasks.update_one({"_id": task["_id"]}, {"$set": done})
                world.add_event("complete", task["_id"])
                world.work()
        if week == 32:
            world.worker.change(str(world.occurrences(series)[-1]["_id"]), "skip", dry_run=False)
    return series


@pytest.fixture(scope="module")
def site(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[Site]:
    name = f"test_{uuid4().hex}"
    url = with_database(mongodb_server, name)
    world = World(url, INTERNAL_API_KEY=KEY, JWT_SECRET=SECRET, TASK_URL="https://app.example.org/tasks/{taskId}")
    with serving(world.worker) as url:
        yield Site(world, url)
    world.close()
    mongodb_janitor.drop_database(name)


@pytest.fixture
def look(browser: "Browser", site: Site) -> Iterator[Open]:
    """Return a function that opens a page in a profile of its own, signed in with a key where none is given."""
    with ExitStack() as stack:

        def opened(path: str = "", *, key: str | None = KEY, width: int = 1280, **options: Any) -> "Page":
            settings = {"timezone_id": "Europe/Berlin", "locale": "en-GB"} | options
            context = browser.new_context(base_url=site.url, viewport={"width": width, "height": 900}, **settings)
            page = stack.enter_context(context).new_page()
            page.on("pageerror", lambda error: pytest.fail(f"{page.url}: {error}"))
            page.on("console", lambda said: pytest.fail(said.text) if "Content Security" in said.text else None)
            if key is not None:
                page.goto(f"{UI}/sign-in")
                page.get_by_label("Key, or token").fill(key)
                page.get_by_role("button", name="Sign in").click()
                page.get_by_role("heading", name="Series").wait_for()
                page.goto(UI + path)
            return page

        yield opened


def findings(page: "Page") -> list[str]:
    """Return what axe-core has to say against a page."""
    axe = importlib.import_module("axe_playwright_python.sync_playwright").Axe()
    return [f"{page.url} {each['id']} ({each['impact']}): {each['nodes'][0]['html'][:200]}"
            for each in axe.run(page).response["violations"]]  # fmt: skip


def test_the_list_is_gone_through_and_searched(look: Open) -> None:
    page = look()
    rows = page.locator("tbody tr")
    assert rows.count() == 50
    page.get_by_role("link", name="Next page").click()
    page.get_by_role("link", name="First page").wait_for()
    assert 0 < rows.count() < 50
    page.get_by_label("Search").fill("PLANTS")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=PLANTS).click()
    page.get_by_role("heading", name=PLANTS).wait_for()


def test_a_series_is_a_picture_and_a_timeline_that_say_the_same(look: Open, site: Site) -> None:
    """The pictures of the documentation are taken here."""
    page = look(f"/series/{site.plants}")
    drawn = {mark: page.locator(f".heatmap rect.{mark}").count() for mark in
             ("done", "late", "open", "missed", "skipped", "paused", "coming")}  # fmt: skip
    told = {mark: page.locator(f".timeline .mark.{mark}").count() for mark in drawn}
    assert all(drawn.values()), drawn
    assert all(told.values()), told
    lines = {line.removesuffix(" Task") for line in page.locator(".timeline .why").all_text_contents()}
    assert set(page.locator(".heatmap title").all_text_contents()) <= lines
    assert "Europe/Berlin" in page.locator(".hint").first.inner_text(), "the clock of the browser was noted"
    page.screenshot(path=SCREENSHOTS / "series.png", clip={"x": 0, "y": 0, "width": 1280, "height": 900})


def test_what_would_happen_is_drawn_done_and_told_in_the_audit_log(look: Open, site: Site) -> None:
    """The other picture of the documentation is taken here."""
    page = look(f"/series/{site.plants}")
    before = site.world.everything()
    page.get_by_label("the rule is").fill("every Wednesday")
    page.locator("form", has=page.get_by_label("the rule is")).get_by_role("button", name="Look").click()
    page.get_by_text("Nothing is written yet").wait_for()
    assert page.locator(".timeline li.change").count() > 2
    assert site.world.everything() == before
    top = page.locator("#ask").evaluate("e => e.getBoundingClientRect().top + scrollY") - 20
    page.screenshot(
        path=SCREENSHOTS / "what-if.png", full_page=True, clip={"x": 0, "y": top, "width": 1280, "height": 1000}
    )

    page.get_by_role("button", name="Do it").click()
    page.get_by_role("status").filter(has_text="rule").wait_for()
    assert page.get_by_text("Every Wednesday").count() > 0
    assert site.world.task(site.plants)["recurrence"]["rule"] == "FREQ=WEEKLY;BYDAY=WE"
    page.get_by_role("link", name="Audit log").click()
    row = page.locator("tbody tr").first.inner_text()
    assert "rule every Wednesday" in row
    assert "done" in row


def test_a_user_signs_in_with_a_token_and_sees_what_is_theirs(look: Open, site: Site) -> None:
    page = look(key=jwt.encode({"_id": str(site.other_user)}, SECRET, "HS256"))
    assert page.locator("tbody tr").all_inner_texts() != []
    assert page.locator("tbody tr").count() == 1
    assert page.get_by_role("link", name="Audit log").count() == 0
    answer = page.goto(f"{UI}/series/{site.plants}")
    assert answer is not None
    assert answer.status == 404
    page.goto(f"{UI}/series/{site.foreign}?try=delete")
    page.get_by_text("Nothing is written yet").wait_for()
    assert page.get_by_role("button", name="Do it").count() == 0


def test_the_page_of_another_site_cannot_send_a_form_of_ours(look: Open, site: Site) -> None:
    page = look(f"/series/{site.plants}")
    before = site.world.everything()
    token = page.locator("input[name=csrf]").first.input_value()
    form = (
        f'<form method="post" action="{site.url}{UI}/series/{site.plants}/do">'
        f'<input name="try" value="delete"><input name="csrf" value="{token}"><button>Win a prize</button></form>'
    )
    page.route("http://elsewhere.example/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://elsewhere.example/")
    with page.expect_response(lambda answer: answer.url.endswith("/do")) as sent:
        page.get_by_role("button", name="Win a prize").click()
    assert sent.value.status == 403
    assert site.world.everything() == before


def test_a_title_that_is_markup_is_only_a_title(look: Open) -> None:
    page = look("?search=script")
    page.get_by_role("link", name="document.title").click()
    page.get_by_role("heading", name="document.title").wait_for()
    assert page.locator("h1").inner_text() == MARKUP
    assert "broken" not in {page.title()}
    assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(look: Open, site: Site, scheme: str) -> None:
    page = look(color_scheme=scheme, reduced_motion="reduce")
    [deletion] = [row["deletion"] for row in site.world.worker.deletions.recent(100) if row["reason"] == "skipped"]
    for path in (
        "", "?search=nothing", f"/series/{site.plants}", f"/series/{site.foreign}?try=skip&slot=2", "/sign-in",
        f"/series/{site.foreign}?try=skip&slot=x", "/queue?look=yes", "/audit", f"/deletions/{deletion}",
        "/series/xyz",
    ):  # fmt: skip
        page.goto(UI + path)
        assert findings(page) == []


@pytest.mark.parametrize("path", ["", "/series/{plants}", "/queue", "/audit"])
def test_a_narrow_screen_needs_no_scrolling_to_the_side(look: Open, site: Site, path: str) -> None:
    page = look(path.format(plants=site.plants), width=360, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert findings(page) == []
    page.screenshot(path=SCREENSHOTS / f"narrow{path.partition('/{')[0].replace('/', '-')}.png")


def test_everything_works_without_javascript_and_with_keys_alone(look: Open, site: Site) -> None:
    page = look("?search=plants", java_script_enabled=False)
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "To the content"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == PLANTS:
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=PLANTS).wait_for()
    page.get_by_label("Your time zone").fill("America/New_York")
    page.keyboard.press("Enter")
    page.get_by_text("Times in America/New_York, with Europe/Berlin beside them.").wait_for()


def test_whoever_signs_out_has_to_show_the_key_again(look: Open, site: Site) -> None:
    page = look()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{UI}/series/{site.plants}")
    page.get_by_label("Key, or token").wait_for()
