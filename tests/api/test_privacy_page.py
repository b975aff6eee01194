"""`/privacy` and `/preferences`: what is chosen is what requests meet, and is counted by the same rules."""

import re

import pytest

from tests.api.browsing import Browser
from tests.api.test_workspace_page import browser_of
from tests.support import World, request
from tests.web.site import Looked
from tollway.domain.people import Role, User
from tollway.domain.standing import Logging
from tollway.storage.contents import count_contents
from tollway.storage.workspaces import find_settings


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    found = well.new_user("prv-owner", Role.OWNER, "prv-home")
    well.run(well.stage.grant("prv-home", "10"))
    return found


def counted(text: str) -> dict[str, tuple[int, int]]:
    """Each choice: endpoints left and lost, as the page says it."""
    found = {}
    for value, rest in re.findall(r'name="policy" value="(\w+)".*?Leaves (.*?)</small>', text, re.DOTALL):
        left = int(rest.partition(" ")[0].replace(",", ""))
        lost = re.search(r"<strong>([\d,]+) endpoint", rest)
        found[value] = left, int(lost[1].replace(",", "")) if lost else 0
    return found


def allowed(well: World, headers: dict[str, str]) -> int:
    """Models that `GET /models/user` still offers a key."""
    answer = request(well.url, "GET", "/api/v1/models/user?limit=1000&output_modalities=all", headers=headers)
    return len(answer.json["data"])


def test_the_choice_is_obeyed_and_counted(well: World, owner: User) -> None:
    """What the page says is left is what a key of the workspace can still ask; "any" gives everything back."""
    key = well.new_key("prv-home")
    browser = browser_of(well, owner)
    page = browser.get("/privacy?workspace=prv-home")
    counts = counted(page.text)
    assert set(counts) == {"any", "deny", "zdr", "both"}
    whole = sum(len(offer.live) for offer in well.house.gateway.market.offers.values())
    assert counts["any"] == (whole, 0)
    assert all(left + lost == whole for left, lost in counts.values())
    assert counts["zdr"][1] > 0, "nothing is known of the test's providers, so that they are left out"
    before = allowed(well, key.headers)
    assert before > 0
    done = browser.submit(page, "/privacy/policy", policy="zdr")
    assert done.headers["location"] == "/privacy?workspace=prv-home&done=policy"
    shown = browser.get("/privacy?workspace=prv-home").text
    assert re.search(r'value="zdr" checked', shown)
    assert counted(shown) == counts
    assert "its data policy is not known" in shown
    refused = well.chat(headers=key.headers)
    assert (refused.status, "data policy" in refused.text) == (404, True)
    assert allowed(well, key.headers) == 0
    assert browser.submit(page, "/privacy/policy", policy="any").status == 303
    assert well.chat(headers=key.headers).status == 200
    assert allowed(well, key.headers) == before
    assert browser.submit(page, "/privacy/policy", policy="some").status == 400


def test_other_wishes_stay(well: World, owner: User) -> None:
    """A policy changes its own fields of `provider` alone."""
    browser = browser_of(well, owner)
    page = browser.get("/preferences?workspace=prv-home")
    assert browser.submit(page, "/preferences/provider", provider='{"sort": "price", "zdr": false}').status == 303
    page = browser.get("/privacy?workspace=prv-home")
    assert browser.submit(page, "/privacy/policy", policy="deny").status == 303
    settings = well.run(find_settings(well.house.database, "prv-home"))
    assert settings.provider is not None
    assert (settings.provider.sort, settings.provider.data_collection) == ("price", "deny")
    assert browser.submit(page, "/privacy/policy", policy="any").status == 303


def test_keeping_and_deleting(well: World, owner: User) -> None:
    """Kept once it is chosen, with the share that is said; deleted at a click, and nothing else is."""
    key = well.new_key("prv-home")
    browser = browser_of(well, owner)
    page = browser.get("/privacy?workspace=prv-home")
    assert "Nothing is kept just now" in page.text
    assert browser.post("/privacy/logging", **form_of(page.text), private="yes", sampling="100").status == 303
    settings = well.run(find_settings(well.house.database, "prv-home"))
    assert settings.logging == Logging(private=True)
    assert well.chat(headers=key.headers).status == 200
    well.settled()
    assert well.house.gateway.contents is not None
    well.run(well.house.gateway.contents.drain())
    assert well.run(count_contents(well.house.database, "prv-home"))[0] == 1
    page = browser.get("/privacy?workspace=prv-home")
    assert "1 request is kept" in page.text
    assert browser.submit(page, "/privacy/delete").status == 303
    assert well.run(count_contents(well.house.database, "prv-home"))[0] == 0
    for share in ("0", "101", "some"):
        wrong = browser.post("/privacy/logging", **form_of(page.text), private="yes", sampling=share)
        assert (wrong.status, "sampling" in wrong.text) == (400, True)
    assert browser.post("/privacy/logging", **form_of(page.text), sampling="50").status == 303
    assert well.run(find_settings(well.house.database, "prv-home")).logging == Logging(sampling=0.5)


def form_of(text: str) -> dict[str, str]:
    """The proof that a form of the page carries."""
    return {name: re.findall(rf'name="{name}" value="([\w-]+)"', text)[0] for name in ("csrf", "workspace_id")}


def test_defaults(well: World, owner: User) -> None:
    """The default model answers who names none; a misspelt one, or provider, is refused and nothing is lost."""
    key = well.new_key("prv-home")
    browser = browser_of(well, owner)
    page = browser.get("/preferences?workspace=prv-home")
    asked = {"default_model": "test/model", "sort": "price", "only": "a, b", "ignore": "b"}
    assert browser.submit(page, "/preferences/defaults", **asked).status == 303
    settings = well.run(find_settings(well.house.database, "prv-home"))
    assert settings.default_model == "test/model"
    assert settings.provider is not None
    assert (settings.provider.sort, settings.provider.only, settings.provider.ignore) == ("price", ("a", "b"), ("b",))
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    answer = request(well.url, "POST", "/api/v1/chat/completions", body, headers=key.headers)
    assert (answer.status, answer.json["model"]) == (200, "test/model")
    for fields, said in (
        ({"default_model": "no/such"}, "no model no/such"),
        ({"only": "nobody"}, "no provider"),
        ({"ignore": "a nobody"}, "no provider"),
        ({"sort": "beauty"}, "sort"),
    ):
        wrong = browser.submit(page, "/preferences/defaults", **{**asked, **fields})
        assert (wrong.status, said in wrong.text) == (400, True), wrong.text
        assert all(value in wrong.text for value in fields.values())
    assert well.run(find_settings(well.house.database, "prv-home")) == settings
    nothing = {"default_model": "", "sort": "", "only": "", "ignore": ""}
    assert browser.submit(page, "/preferences/defaults", **nothing).status == 303


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"sort": ', "no JSON"),
        ("[1]", "provider"),
        ('{"beauty": 1}', "beauty is no setting"),
        ('{"sort": "beauty"}', "sort"),
        ('{"only": ["nobody"]}', "no provider"),
        ('{"max_price": {"prompt": -1}}', "max_price"),
        ('{"zdr": "<script>"}', "zdr"),
    ],
)
def test_wrong_json(well: World, owner: User, text: str, said: str) -> None:
    """A clear word, and what was typed is still there."""
    browser = browser_of(well, owner)
    wrong = browser.submit(browser.get("/preferences?workspace=prv-home"), "/preferences/provider", provider=text)
    assert (wrong.status, said in wrong.text) == (400, True), wrong.text
    looked = Looked(wrong.text)
    assert text.replace('"', "&#34;").replace("<", "&lt;").replace(">", "&gt;") in wrong.text
    assert all((tag.get("src") or "").startswith("/static/") for tag in looked.all("script"))


def test_the_theme(well: World, owner: User) -> None:
    """Chosen for the browser: the page itself comes in it, so that nothing flashes."""
    browser = browser_of(well, owner)
    session = browser.cookie
    page = browser.get("/preferences?workspace=prv-home")
    assert "data-theme" not in page.text
    answer = browser.post("/preferences/theme", **form_of(page.text), theme="dark")
    assert answer.headers["set-cookie"].startswith("tollway-theme=dark;")
    browser.cookie = f"{session}; tollway-theme=dark"
    assert '<html lang="en" data-theme="dark">' in browser.get("/preferences?workspace=prv-home").text
    assert '<html lang="en" data-theme="dark">' in browser.get("/models").text
    browser.cookie = f'{session}; tollway-theme="><script>'
    assert "data-theme" not in browser.get("/models").text
    browser.cookie = session
    assert browser.post("/preferences/theme", **form_of(page.text), theme="pink").status == 400


def test_doors(well: World, owner: User) -> None:
    """Members see and change nothing; others' workspaces are not there; other sites' and sessions' forms do nothing."""
    stranger = Browser(well)
    member = browser_of(well, well.new_user("prv-member", Role.MEMBER, "prv-home"))
    other = browser_of(well, well.new_user("prv-other", Role.OWNER, "prv-other"))
    before = well.run(find_settings(well.house.database, "prv-home"))
    for path, changes in (("/privacy", ("policy", "logging", "delete")), ("/preferences", ("defaults", "provider"))):
        assert stranger.get(path).headers["location"] == f"/sign-in?next=%2F{path[1:]}"
        assert other.get(f"{path}?workspace=prv-home").status == 404
        seen = member.get(f"{path}?workspace=prv-home")
        assert (seen.status, "An admin or an owner" in seen.text) == (200, True)
        own = other.get(f"{path}?workspace=prv-other")
        fields = {"policy": "zdr", "private": "yes", "provider": '{"sort": "price"}', "workspace_id": "prv-home"}
        for change in changes:
            assert member.post(f"{path}/{change}", **{**form_of(seen.text), **fields}).status == 403, change
            assert other.post(f"{path}/{change}", **{**form_of(own.text), **fields}).status == 404
            assert browser_of(well, owner).post(f"{path}/{change}", **fields, csrf="wrong").status == 403
    assert well.run(find_settings(well.house.database, "prv-home")) == before
