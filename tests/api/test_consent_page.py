"""`/auth`: nobody gets a key without a click; the app's host, its proof and the key's bounds are seen before it."""

import html
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from tests.api.browsing import Browser, fields_of
from tests.api.test_oauth import PLAIN, S256, VERIFIER, exchange, works
from tests.identity.test_oauth import TRICKS
from tests.support import Answer, World, request
from tests.web.site import Looked
from tollway.domain.people import Role, User
from tollway.gateway.oauth_desk import CARRIED_MS, REDIRECTED_MS
from tollway.limits.gcra import Buckets
from tollway.storage.keys import find_key

CALLBACK = "https://app.example:8443/cb?x=1"


@pytest.fixture(autouse=True)
def patient(well: World) -> None:
    well.house.oauth.tries = Buckets()


@pytest.fixture(scope="module")
def user(well: World) -> User:
    found = well.new_user("clicks", Role.OWNER, "clicking")
    well.run(well.stage.grant("clicking", "10"))
    return found


def browser_of(well: World, user: User) -> Browser:
    browser = Browser(well)
    browser.cookie = well.signed_in(user)["cookie"]
    return browser


def path(**query: Any) -> str:
    return f"/auth?{urlencode(query)}"


def code_in(answer: Answer) -> str:
    assert answer.status == 303, answer.text
    [code] = parse_qs(urlsplit(answer.headers["location"]).query)["code"]
    return code


def test_from_click_to_key(well: World, user: User) -> None:
    """Sign in first, see who asks, agree: the app is sent a code, and gets a key as it was chosen on the page."""
    asked = path(callback_url=CALLBACK, key_label="My App", **S256)
    first = Browser(well).get(asked)
    assert (first.status, first.headers["location"]) == (303, f"/sign-in?next={quote(asked, safe='')}")
    browser = browser_of(well, user)
    page = browser.get(asked)
    assert page.status == 200
    assert 'class="host">app.example<' in page.text
    assert "badge up" in page.text
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://app.example:8443;" in policy
    assert "frame-ancestors 'none'" in policy
    assert not [each for each in Looked(page.text).all("script") if "src" not in each]
    sent = browser.submit(page, "/auth", decision="allow", limit="2.5", usage_limit_type="monthly", expires_at="7")
    assert sent.headers["location"].startswith(f"{CALLBACK}&code=")
    assert (sent.headers["cache-control"], sent.headers["referrer-policy"]) == ("no-store", "no-referrer")
    got = exchange(well, code_in(sent), code_verifier=VERIFIER)
    assert got.json["user_id"] == user.id
    assert works(well, got.json["key"])
    keys = request(well.url, "GET", "/account/v1/keys", headers=well.signed_in(user)).json["data"]
    [made] = [each for each in keys if each["name"] == "My App"]
    assert (made["limit"], made["limit_reset"], made["workspace_id"]) == (2.5, "monthly", "clicking")
    key = well.run(find_key(well.house.database, made["hash"]))
    assert key is not None
    assert key.expires_ms is not None
    assert 0 <= key.created_ms + 7 * 86_400_000 - key.expires_ms < 60_000


def test_what_is_chosen_where_nobody_chooses(well: World, user: User) -> None:
    """$10 in all for 90 days; proposals of the app take their place, and the user's word theirs."""
    browser = browser_of(well, user)
    plain = fields_of(browser.get(path(callback_url=CALLBACK)), "/auth")
    assert (plain["limit"], plain["usage_limit_type"], plain["expires_at"]) == ("10", "", "90")
    wishes = {"limit": "3", "usage_limit_type": "daily", "expires_at": "2040-01-01T00:00:00Z"}
    assert wishes.items() <= fields_of(browser.get(path(callback_url=CALLBACK, **wishes)), "/auth").items()
    page = browser.get(path(callback_url=CALLBACK, **wishes))
    code = code_in(browser.submit(page, "/auth", decision="allow", limit="", expires_at="never"))
    headers = {"authorization": f"Bearer {exchange(well, code).json['key']}"}
    key = request(well.url, "GET", "/api/v1/key", headers=headers).json["data"]
    assert (key["limit"], key["limit_reset"], key["expires_at"]) == (None, None, None)


def test_no_is_no(well: World, user: User) -> None:
    """The app is told, and no code is made."""
    browser = browser_of(well, user)
    page = browser.get(path(callback_url=CALLBACK, **S256))
    sent = browser.submit(page, "/auth", decision="deny")
    assert (sent.status, sent.headers["location"]) == (303, f"{CALLBACK}&error=access_denied")
    headless = browser.get(path(**S256))
    assert "No key was made" in browser.submit(headless, "/auth", decision="deny").text


def test_nothing_without_a_click(well: World, user: User) -> None:
    """Whatever is in the address: GET makes no code, nor does a form of another site, session, or without its token."""
    browser, asked = browser_of(well, user), path(callback_url=CALLBACK, decision="allow", **S256)
    page = browser.get(asked)
    assert page.status == 200
    fields = {**fields_of(page, "/auth"), "decision": "allow"}
    other = browser_of(well, user)
    assert other.post("/auth", **fields).status == 403
    assert browser.post("/auth", **{**fields, "csrf": ""}).status == 403
    form = {"content-type": "application/x-www-form-urlencoded"}
    for site in ("cross-site", "same-site"):
        assert browser.post("/auth", form | {"sec-fetch-site": site}, **fields).status == 403
    assert browser.post("/auth", **{**fields, "decision": "perhaps"}).status == 400
    assert Browser(well).post("/auth", **fields).status == 403
    assert browser.post("/auth", **fields).status == 303


@pytest.mark.parametrize("url", [*TRICKS[:30], "https://app.example/?code=x"])
def test_callback_tricks(well: World, user: User, url: str) -> None:
    """An error on our page: nobody is sent anywhere, neither to sign in nor to the callback, by GET or by the form."""
    good = browser_of(well, user)
    fields = fields_of(good.get(path(callback_url=CALLBACK)), "/auth")
    for answer in (
        Browser(well).get(path(callback_url=url)),
        good.get(path(callback_url=url)),
        good.post("/auth", **{**fields, "callback_url": url, "decision": "allow"}),
        good.post("/auth", **{**fields, "callback_url": url, "decision": "deny"}),
    ):
        assert (answer.status, answer.headers.get("location")) == (400, None)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_queries_that_say_two_things(well: World, user: User) -> None:
    """A parameter twice is refused: the app's server and ours might each read another one."""
    browser = browser_of(well, user)
    for name in ("callback_url", "code_challenge", "limit"):
        asked = f"{path(callback_url=CALLBACK, **S256, limit='1')}&{name}=x"
        assert browser.get(asked).status == 400, name
    for query in ({"code_challenge": ""}, {"code_challenge_method": "S256"}, {"expires_at": "soon"}):
        assert browser.get(path(callback_url=CALLBACK, **query)).status == 400, query
    assert browser.get("/auth").status == 400  # no callback, no challenge


@pytest.mark.parametrize(
    ("query", "says"),
    [(S256, "Only the app that asked"), (PLAIN, "sent its proof in the open"), ({}, "did not protect the code")],
)
def test_the_proof_is_told(well: World, user: User, query: dict[str, str], says: str) -> None:
    """A badge for S256, a warning for the others; on this machine another word on who asks."""
    page = browser_of(well, user).get(path(callback_url="http://localhost:3000", **query))
    assert says in html.unescape(page.text)
    assert "A program on this computer" in page.text
    assert ("weak" in page.text) == (query is not S256)


def test_headless(well: World, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a callback the code is shown, for ten minutes; by a redirect it has one."""
    browser = browser_of(well, user)
    now_ms = well.house.gateway.now_ms
    for query, life_ms in ((S256, CARRIED_MS), ({"callback_url": CALLBACK, **S256}, REDIRECTED_MS)):
        for late_ms, status in ((-2_000, 200), (1, 403)):
            answer = browser.submit(browser.get(path(**query)), "/auth", decision="allow")
            code = Looked(answer.text).by_id["code"] if answer.status == 200 else code_in(answer)
            assert answer.headers["cache-control"] == "no-store"
            well.house.oauth.tries = Buckets()  # whose clock stands still while ours is moved
            moved = life_ms + late_ms
            monkeypatch.setattr(well.house.gateway, "now_ms", lambda moved=moved: now_ms() + moved)
            assert exchange(well, code, code_verifier=VERIFIER).status == status
            monkeypatch.setattr(well.house.gateway, "now_ms", now_ms)


def test_what_an_app_says_of_itself(well: World, user: User) -> None:
    """Its label is text: no markup, and no characters that turn the line around."""
    page = browser_of(well, user).get(path(callback_url=CALLBACK, key_label="<b>a\u202eb</b>" + "x" * 200))
    assert "<b>" not in page.text
    assert "\u202e" not in page.text
    assert len(fields_of(page, "/auth")["key_label"]) == 100


def test_wrong_choices(well: World, user: User) -> None:
    """The page again, with what is wrong and with what was chosen."""
    browser = browser_of(well, user)
    page = browser.get(path(callback_url=CALLBACK, **S256))
    for field, value in (
        ("limit", "much"),
        ("limit", "-1"),
        ("limit", "1e999"),
        ("expires_at", "2020-01-01T00:00:00Z"),
        ("expires_at", "2040-01-01"),
        ("usage_limit_type", "hourly"),
    ):
        answer = browser.submit(page, "/auth", decision="allow", **{field: value})
        assert answer.status == 400
        assert 'role="alert"' in answer.text
        if field != "usage_limit_type":
            assert fields_of(answer, "/auth")[field] == value
    stranger = browser.submit(page, "/auth", decision="allow", workspace_id="home")
    assert stranger.status == 404


def test_who_pays(well: World) -> None:
    """Of several workspaces the user chooses one in which they may make keys; who has none is told so."""
    user = well.new_user("two-places", Role.MEMBER, "place-one")
    well.run(well.stage.join(user, Role.MEMBER, "place-two"))
    well.run(well.stage.join(user, Role.BILLING, "place-three"))
    browser = browser_of(well, user)
    page = browser.get(path(callback_url=CALLBACK, workspace_id="place-two"))
    assert fields_of(page, "/auth")["workspace_id"] == "place-two"
    assert "place-three" not in page.text
    code = code_in(browser.submit(page, "/auth", decision="allow", workspace_id="place-one"))
    headers = {"authorization": f"Bearer {exchange(well, code).json['key']}"}
    assert request(well.url, "GET", "/api/v1/key", headers=headers).json["data"]["workspace_id"] == "place-one"
    poor = well.new_user("no-place", Role.BILLING, "place-three")
    assert browser_of(well, poor).get(path(callback_url=CALLBACK)).status == 403
