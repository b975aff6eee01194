"""`/models` beside the API: the same query finds the same models, and what settings allow is what a key may ask."""

import pytest

from tests.api.browsing import Browser
from tests.api.test_guardrails_page import RULES, act, make
from tests.api.test_workspace_page import browser_of
from tests.support import World, request
from tests.web.site import Looked
from tollway.domain.chat import Preferences
from tollway.domain.people import Role, User
from tollway.domain.standing import WorkspaceSettings
from tollway.identity.actors import actor_of_user
from tollway.storage.workspaces import set_settings
from tollway.web.query import api_query, parse

PAGE = "/models/openai/gpt-4o"


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    found = well.new_user("mdl-owner", Role.OWNER, "mdl-home")
    well.run(well.stage.grant("mdl-home", "10"))
    return found


def on_page(browser: Browser, query: str) -> list[str]:
    """Ids of the models that the page's data has, those that are on offer."""
    data = browser.get(f"/models.json?{query}").json["data"]
    return [each["id"] for each in data if each["endpoints"]]


def by_key(well: World, headers: dict[str, str]) -> set[str]:
    answer = request(well.url, "GET", "/api/v1/models/user?limit=1000&output_modalities=all", headers=headers)
    return {each["id"] for each in answer.json["data"]} & well.house.gateway.market.offers.keys()


@pytest.mark.parametrize(
    "query",
    ["", "needs=tools", "context=32000", "max_price=1", "max_input=0.5", "free=1", "author=test", "provider=a",
     "modality=reads-text", "modality=writes-image", "privacy=nothing-kept", "needs=tools&max_price=2"],
)  # fmt: skip
def test_the_page_and_the_api_find_the_same(well: World, owner: User, query: str) -> None:
    """What the page's link to the API lists is what the page shows, besides names that are no models."""
    asked = api_query(parse(dict(pair.split("=") for pair in query.split("&") if pair)))
    assert asked is not None
    answer = request(well.url, "GET", f"/api/v1/models{asked}&limit=1000")
    assert answer.status == 200, answer.text
    listed = {each["id"] for each in answer.json["data"]} & well.house.gateway.market.offers.keys()
    assert sorted(on_page(browser_of(well, owner), query)) == sorted(listed)


def test_what_settings_allow_is_what_a_key_may_ask(well: World, owner: User) -> None:
    """Rules of the workspace and its guardrails count, as for requests; a price is that of what is left."""
    key, browser = well.new_key("mdl-home", creator=owner), browser_of(well, owner)
    here = "allowed=1&workspace=mdl-home"
    whole = set(on_page(browser, ""))
    assert set(on_page(browser, here)) == by_key(well, key.headers) == whole
    page = browser.get("/preferences?workspace=mdl-home")
    assert browser.submit(page, "/preferences/provider", provider='{"ignore": ["a"]}').status == 303
    left = set(on_page(browser, here))
    assert left == by_key(well, key.headers)
    assert left < whole
    rail = make(browser, place="mdl-home")
    one = min(left)
    assert act(browser, rail, "change", **{**RULES, "allowed_models": one}).status == 303
    assert act(browser, rail, "assign", member=owner.id).status == 303
    assert on_page(browser, here) == [one]
    assert by_key(well, key.headers) == {one}
    shown = browser.get(f"/models?{here}")
    assert 'name="allowed" value="1" checked' in shown.text
    assert 'name="workspace" value="mdl-home"' in shown.text
    assert "1 model" in shown.text


def test_whose_settings(well: World, owner: User) -> None:
    """Another tenant's workspace is not there; without one it is the visitor's own."""
    stranger = browser_of(well, well.new_user("mdl-stranger", Role.OWNER, "mdl-other"))
    for path in ("/models", "/models.json", "/models.csv"):
        assert stranger.get(f"{path}?allowed=1&workspace=mdl-home").status == 404
    assert stranger.get("/models?allowed=1&workspace=mdl-other").status == 200


def test_who_would_answer_me(well: World) -> None:
    """Who is signed in sees the plan that their own workspace's rules leave, and nobody keeps a copy of the page."""
    person = well.new_user("mdl-person", Role.OWNER, "mdl-own")
    actor = well.run(actor_of_user(well.house.database, person))
    assert actor.workspace_id is not None
    settings = WorkspaceSettings(provider=Preferences(ignore=("a",)))
    well.run(set_settings(well.house.database, actor.workspace_id, settings, 1))
    mine, anybodys = browser_of(well, person).get(PAGE), Browser(well).get(PAGE)
    told = [" ".join(Looked(page.text).by_id["choice"].split()) for page in (mine, anybodys)]
    assert told[0].startswith("1 endpoint of ")
    assert "in the workspace's ignored providers" in told[0]
    assert told[1].startswith("2 endpoints")
    assert ("by your workspace" in mine.text, "by your workspace" in anybodys.text) == (True, False)
    assert (mine.headers["cache-control"], anybodys.headers["cache-control"]) == ("no-store", "no-cache")


def test_where_my_request_would_go(well: World) -> None:
    """The route explorer, too, has the rules of who is signed in, and says so."""
    person = well.new_user("mdl-explorer", Role.OWNER, "mdl-explores")
    actor = well.run(actor_of_user(well.house.database, person))
    assert actor.workspace_id is not None
    settings = WorkspaceSettings(provider=Preferences(ignore=("a",)))
    well.run(set_settings(well.house.database, actor.workspace_id, settings, 1))
    at = "/explore?model=openai/gpt-4o"
    mine, anybodys = browser_of(well, person).get(at), Browser(well).get(at)
    told = [Looked(page.text).by_id["tried-title"] for page in (mine, anybodys)]
    assert [words.split(" would")[0] for words in told] == ["1 endpoint", "2 endpoints"]
    assert "in the workspace&#39;s ignored providers" in mine.text
    assert ("of your workspace" in mine.text, "of your workspace" in anybodys.text) == (True, False)
    assert (mine.headers["cache-control"], anybodys.headers["cache-control"]) == ("no-store", "no-cache")
