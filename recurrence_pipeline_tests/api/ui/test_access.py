"""Who sees the pages, and who may do anything from them."""

import hashlib
import hmac
import time
from http.cookies import SimpleCookie

import jwt
import pytest
from bson import ObjectId

from recurrence_pipeline.api.auth import key_name
from recurrence_pipeline.api.ui.session import COOKIE, FORM_COOKIE, LASTS, USERS
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.serving import Api
from recurrence_pipeline_tests.api.ui.visitor import KEY, SECRET, UI, Visitor, text
from recurrence_pipeline_tests.world import utc

DUE = utc(2024, 1, 2, 9)


@pytest.fixture
def locked(open_api: OpenApi) -> Visitor:
    """Return somebody before an API with a key and with tokens; they have shown neither yet."""
    return Visitor(open_api(INTERNAL_API_KEY=f"old-key,{KEY}", JWT_SECRET=SECRET))


def token_of(user: object, **claims: object) -> str:
    return jwt.encode({"_id": str(user), **claims}, SECRET, "HS256")


def test_without_a_key_every_page_leads_to_where_one_is_entered(locked: Visitor) -> None:
    for path in ("", f"/series/{ObjectId()}", "/queue", "/audit"):
        answer = locked.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{UI}/sign-in"), path
    assert "Key, or token" in text(locked.get("/sign-in"))


def test_a_key_is_entered_once_and_kept_where_no_script_and_no_other_site_gets_it(locked: Visitor) -> None:
    answer = locked.sign_in()

    assert (answer.status_code, answer.headers["location"]) == (303, UI)
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert KEY not in cookie.value
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", UI)
    assert int(cookie["max-age"]) == LASTS.total_seconds()
    assert "No series." in text(locked.get())


def test_a_wrong_key_opens_nothing_and_says_so(locked: Visitor) -> None:
    for wrong in ("wrong", "", "schlüssel", token_of(ObjectId()) + "x", token_of(ObjectId(), exp=1)):
        answer = locked.sign_in(wrong)
        assert answer.status_code == 403
        assert "No key and no token that is known here" in answer.text
        assert COOKIE not in locked.client.cookies
    assert locked.get().status_code == 303


def test_a_session_ends_by_itself_and_with_the_key_that_it_stands_for(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEY)
    visitor = Visitor(api)
    visitor.sign_in()
    kept = visitor.client.cookies[COOKIE]
    said = jwt.decode(kept, options={"verify_signature": False})
    assert said["exp"] <= time.time() + LASTS.total_seconds()
    other = Visitor(open_api(INTERNAL_API_KEY="another"))
    other.client.cookies.set(COOKIE, kept)
    assert other.get().status_code == 303
    forged = jwt.encode(said, b"x" * 32, "HS256", headers={"kid": jwt.get_unverified_header(kept)["kid"]})
    for worthless in (forged, "", "a.b.c", kept[:-4]):
        visitor.client.cookies.clear()
        visitor.client.cookies.set(COOKIE, worthless)
        assert visitor.get().status_code == 303


def test_whoever_signs_out_is_out(locked: Visitor) -> None:
    locked.sign_in()
    assert "Sign out" in locked.get().text
    assert locked.post("/sign-out").headers["location"] == f"{UI}/sign-in"
    assert locked.get().status_code == 303


def test_loopback_needs_no_key_where_none_is_set(api: Api) -> None:
    visitor = Visitor(api)
    assert "No series." in text(visitor.get())
    assert visitor.get("/audit").status_code == 200


def test_loopback_is_not_open_to_the_page_of_another_origin(api: Api) -> None:
    assert Visitor(api, **{"sec-fetch-site": "cross-site"}).get().status_code == 403


def test_a_user_sees_what_is_theirs_and_nothing_else(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEY, JWT_SECRET=SECRET)
    mine, other = ObjectId(), ObjectId()
    own = api.world.create(DUE, "weekly", userId=mine, title="Mine")
    foreign = api.world.create(DUE, "weekly", userId=other, title="Not mine")
    visitor = Visitor(api)
    visitor.sign_in(token_of(mine))

    listed = text(visitor.get())
    asked_for_another = text(visitor.get(user=str(other)))

    assert "Mine" in listed
    assert "Not mine" not in listed + asked_for_another
    assert "Mine" in text(visitor.get(f"/series/{own}"))
    for theirs in (foreign, api.world.occurrences(foreign)[0]["_id"]):
        answer = visitor.get(f"/series/{theirs}")
        assert answer.status_code == 404
        assert "Not mine" not in answer.text
    for path in ("/queue", "/audit", f"/deletions/{ObjectId()}"):
        assert visitor.get(path).status_code == 403, path


def test_a_user_looks_at_what_would_happen_and_does_nothing(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEY, JWT_SECRET=SECRET)
    own = api.world.create(DUE, "weekly", userId=(user := ObjectId()))
    visitor = Visitor(api)
    visitor.sign_in(token_of(user))
    before = api.world.everything()

    page = visitor.get(f"/series/{own}", **{"try": "skip", "slot": "2"})
    refused = visitor.post(f"/series/{own}/do", **{"try": "skip", "slot": "2"})

    assert "goes: 1" in page.text
    assert "Do it" not in page.text
    assert refused.status_code == 403
    assert api.world.everything() == before


def test_a_session_lasts_no_longer_than_the_token_that_it_stands_for(locked: Visitor) -> None:
    ends = int(time.time()) + 600
    locked.sign_in(token_of(ObjectId(), exp=ends))
    assert jwt.decode(locked.client.cookies[COOKIE], options={"verify_signature": False})["exp"] == ends


def test_the_secret_of_the_tokens_opens_no_more_than_a_token_does(locked: Visitor) -> None:
    """The application knows it, and has not got a key for that."""
    signer = hmac.digest(SECRET.encode(), b"recurrence session", hashlib.sha256)
    for user in (None, str(ObjectId())):
        said = {"exp": int(time.time()) + 60, "csrf": "x"} | ({"sub": user} if user else {})
        for name in (USERS, f"key {key_name(KEY.encode())}"):
            locked.client.cookies.clear()
            locked.client.cookies.set(COOKIE, jwt.encode(said, signer, "HS256", headers={"kid": name}))
            is_known = name == USERS and user is not None
            assert locked.get("/audit").status_code == (403 if is_known else 303)


def test_a_form_of_another_page_does_nothing(api: Api) -> None:
    """The browser of whoever may do anything must not do it for a page of another site."""
    series = api.world.create(DUE, "weekly")
    visitor, wanted = Visitor(api), {"try": "delete"}
    token = visitor.token()
    before = api.world.everything()

    refused = [
        visitor.send(f"/series/{series}/do", wanted),
        visitor.send(f"/series/{series}/do", {"csrf": "", **wanted}),
        visitor.send(f"/series/{series}/do", {"csrf": "0" * len(token), **wanted}),
        visitor.send(f"/series/{series}/do", {"csrf": token, **wanted}, **{"sec-fetch-site": "same-site"}),
        visitor.send(f"/series/{series}/do", {"csrf": token, **wanted}, origin="http://elsewhere.example"),
        visitor.send(f"/series/{series}/do", {"csrf": token, **wanted}, origin="null"),
    ]
    visitor.client.cookies.delete(FORM_COOKIE)
    refused.append(visitor.send(f"/series/{series}/do", {"csrf": token, **wanted}))

    assert [answer.status_code for answer in refused] == [403] * 7
    assert api.world.everything() == before


def test_a_form_of_a_session_is_worth_nothing_in_another(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEY)
    visitor = Visitor(api)
    visitor.sign_in()
    token = visitor.token()
    visitor.sign_in()
    assert visitor.send("/queue/replay", {"csrf": token}).status_code == 403
    assert visitor.post("/queue/replay").status_code == 303


def test_nothing_of_another_origin_runs_in_a_page_or_shows_it(api: Api) -> None:
    answer = Visitor(api).get()
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("style-src", "script-src", "img-src", "form-action")} == {"'self'"}
    assert "style=" not in answer.text
    assert "<style" not in answer.text
    for name in ("style.css", "page.js", "icon.svg"):
        assert Visitor(api).get(f"/{name}").status_code == 200


def test_wrong_keys_are_counted_by_the_rate_limit(open_api: OpenApi) -> None:
    visitor = Visitor(open_api(INTERNAL_API_KEY=KEY, RATE_LIMIT_PER_MINUTE="5"))
    token = visitor.token()
    answers = [visitor.send("/sign-in", {"csrf": token, "key": "guess"}).status_code for _ in range(6)]
    assert answers == [403] * 4 + [429] * 2
