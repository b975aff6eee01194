"""`/byok`, as a browser without scripts uses it: keys for providers are kept, tested, put in order; and never shown."""

import json
import re

import pytest

from tests.api.browsing import Browser
from tests.api.test_byok import AZURE, BEDROCK
from tests.api.test_privacy_page import form_of
from tests.api.test_workspace_page import browser_of
from tests.support import Answer, World
from tests.web.site import Looked
from tollway.domain.byok import Credential
from tollway.domain.people import Role, User
from tollway.storage.byok import credentials_of

OWN = "sk-page-0123456789abcdef-canary"
HOME = "/byok?workspace=byokp-home"
HOSTILE = "\"><script>alert(1)</script>'{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    found = well.new_user("byokp-owner", Role.OWNER, "byokp-home")
    well.run(well.stage.grant("byokp-home", "10"))
    return found


def kept(well: World) -> list[Credential]:
    return well.run(credentials_of(well.house.database, "byokp-home"))


def add(browser: Browser, **fields: str) -> Answer:
    page = browser.get(HOME)
    asked = {"provider": "a", "key": OWN, "name": "Ours", "use": "first", "sort_order": "0", "allowed_models": ""}
    return browser.post("/byok/create", **form_of(page.text), **{**asked, **fields})


def act(browser: Browser, what: str, id_: str, **fields: str) -> Answer:
    return browser.post(f"/byok/{what}", **form_of(browser.get(HOME).text), id=id_, **fields)


def steps(page: Answer) -> list[str]:
    """Who is tried in turn, as the page says it."""
    [flow] = re.findall(r'<ol class="flow".*?</ol>', page.text, re.DOTALL)
    return re.findall(r"<li><span>(.*?)</span></li>", flow)


def test_the_life_of_a_key(well: World, owner: User) -> None:
    """Kept, used before credits, made a fallback, tested, switched off and on, deleted; shown on no page."""
    browser = browser_of(well, owner)
    api_key = well.new_key("byokp-home")
    made = add(browser, allowed_models="test/model")
    assert made.headers["location"] == "/byok?workspace=byokp-home&done=created"
    page = browser.get(HOME)
    [credential] = kept(well)
    assert OWN not in page.text
    assert steps(page) == ["Ours", "our keys, your credits"]
    assert "not since the server" in page.text
    sent = len(well.received)
    answer = well.chat(headers=api_key.headers)
    assert (answer.status, answer.json["usage"]["is_byok"]) == (200, True)
    assert OWN in well.received[sent].headers["authorization"]
    assert re.search(r'badge up">ok</span> worked', browser.get(HOME).text)

    before = len(well.received)
    tested = act(browser, "test", credential.id)
    assert (tested.status, "It works: test/model" in tested.text) == (200, True), tested.text
    assert (len(well.received), OWN in tested.text) == (before + 1, False)
    assert json.loads(well.received[-1].body)["max_tokens"] <= 16

    changed = act(browser, "change", credential.id, use="fallback", name="Later", allowed_models="", sort_order="3")
    assert changed.status == 303
    [credential] = kept(well)
    assert (credential.wishes.is_fallback, credential.wishes.allowed_models, credential.version) == (True, None, 1)
    assert steps(browser.get(HOME)) == ["our keys, your credits", "Later"]
    assert well.chat(headers=api_key.headers).json["usage"]["is_byok"] is False
    for use, expected in (("always", ["Later"]), ("only", ["Later"])):
        assert act(browser, "change", credential.id, use=use, name="Later").status == 303
        assert steps(browser.get(HOME)) == expected

    assert act(browser, "switch", credential.id, change="disable").status == 303
    assert well.chat(headers=api_key.headers).json["usage"]["is_byok"] is False
    assert act(browser, "switch", credential.id, change="enable").status == 303
    assert well.chat(headers=api_key.headers).json["usage"]["is_byok"] is True
    assert act(browser, "switch", credential.id, change="melt").status == 400
    assert act(browser, "delete", credential.id).status == 303
    assert kept(well) == []
    assert act(browser, "test", credential.id).status == 404


def recorded(well: World) -> int:
    """Generations of the workspace."""
    well.settled()
    sql = "SELECT COUNT(*) FROM generations WHERE workspace_id = 'byokp-home'"
    return int(well.run(well.house.database.read(sql))[0][0])


def test_a_test_that_fails_says_why(well: World, owner: User) -> None:
    """The provider's words and status, without the key that it quotes; nothing is charged or recorded."""
    browser = browser_of(well, owner)
    well.settled()
    before, records = well.run(well.house.gateway.books.balance("byokp-home")), recorded(well)
    assert add(browser, name="Bad", allowed_models="test/model").status == 303
    [credential] = kept(well)
    well.script("a", "fail=401")
    tested = act(browser, "test", credential.id)
    assert (tested.status, "It does not work" in tested.text, "status 401" in tested.text) == (200, True, True)
    assert OWN not in tested.text
    page = browser.get(HOME)
    assert "credential rejected (401)" in page.text
    assert act(browser, "delete", credential.id).status == 303
    assert well.run(well.house.gateway.books.balance("byokp-home")) == before
    assert recorded(well) == records


def test_forms_in_json(well: World, owner: User) -> None:
    """Azure's and Bedrock's are taken, and shown as what they are."""
    browser = browser_of(well, owner)
    assert add(browser, provider="azure", key=json.dumps(AZURE), name="Azure").status == 303
    assert add(browser, provider="amazon-bedrock", key=BEDROCK % "us-east-1", name="Bedrock").status == 303
    page = browser.get(HOME)
    assert "openai/gpt-4o" in page.text
    assert not any(secret in page.text for secret in ("azure-secret-key", "bedrock-secret", "AKIAEXAMPLE"))
    for credential in kept(well):
        assert act(browser, "delete", credential.id).status == 303


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"key": ""}, "key"),
        ({"provider": "nobody"}, "no provider"),
        ({"provider": "azure", "key": "{}"}, "Azure"),
        ({"provider": "azure", "key": json.dumps({**AZURE, "endpoint_url": "https://evil.example/x"})}, "key"),
        ({"provider": "amazon-bedrock", "key": BEDROCK % "evil.example/?"}, "key"),
        ({"provider": "google-vertex", "key": '{"type":"service_account"}'}, "key"),
        ({"allowed_models": "no/such"}, "no model"),
        ({"use": "sometimes"}, "use"),
        ({"sort_order": "first"}, "sort_order"),
        ({"name": "x" * 300}, "name"),
    ],
)
def test_what_is_refused(well: World, owner: User, fields: dict[str, str], said: str) -> None:
    """What is wrong is said, what was typed is there again, but for the key; nothing is kept."""
    browser = browser_of(well, owner)
    answer = add(browser, **{"name": "My typed name", **fields})
    assert (answer.status, said in answer.text) == (400, True), answer.text
    assert not any(secret in answer.text for secret in (OWN, "azure-secret-key", "bedrock-secret"))
    assert "name" in fields or "My typed name" in answer.text
    assert kept(well) == []


def test_names_stay_text(well: World, owner: User) -> None:
    """Whatever a key is called, the page shows it and runs nothing."""
    browser = browser_of(well, owner)
    assert add(browser, name=HOSTILE).status == 303
    looked = Looked(browser.get(HOME).text)
    assert not looked.all("script")
    assert not [name for _, tag in looked.tags for name in tag if name.startswith("on") or name == "style"]
    assert act(browser, "delete", kept(well)[0].id).status == 303


def test_doors(well: World, owner: User) -> None:
    """For who manages the workspace; another tenant's key is not there; other sites' and sessions' forms do nothing."""
    assert Browser(well).get("/byok").headers["location"] == "/sign-in?next=%2Fbyok"
    browser = browser_of(well, owner)
    assert add(browser).status == 303
    [credential] = kept(well)
    member = browser_of(well, well.new_user("byokp-member", Role.MEMBER, "byokp-home"))
    other = browser_of(well, well.new_user("byokp-other", Role.OWNER, "byokp-other"))
    assert member.get(HOME).status == 403
    assert other.get(HOME).status == 404
    theirs = form_of(other.get("/byok?workspace=byokp-other").text)
    sent = len(well.received)
    for what in ("change", "switch", "test", "delete"):
        fields = {"id": credential.id, "change": "disable", "use": "only"}
        assert other.post(f"/byok/{what}", **theirs, **fields).status == 404, what
        assert other.post(f"/byok/{what}", **theirs, **{**fields, "id": "nobody"}).status == 404
        assert browser.post(f"/byok/{what}", **fields, workspace_id="byokp-home", csrf="wrong").status == 403
        cross = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
        assert browser.post(f"/byok/{what}", cross, **form_of(browser.get(HOME).text), **fields).status == 403
    assert (kept(well), len(well.received)) == ([credential], sent)
    assert act(browser, "delete", credential.id).status == 303
