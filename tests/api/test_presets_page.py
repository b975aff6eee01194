"""`/presets`, as a browser without scripts uses it: a preset is made, obeyed, changed, taken back."""

import pytest

from tests.api.browsing import Browser
from tests.api.test_privacy_page import form_of
from tests.api.test_workspace_page import browser_of
from tests.support import Answer, Secret, World, request
from tests.web.site import Looked
from tollway.domain.people import Role, User

HOME = "/presets?workspace=prs-home"
ONE = "/presets/helper?workspace=prs-home"


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    found = well.new_user("prs-owner", Role.OWNER, "prs-home")
    well.run(well.stage.grant("prs-home", "10"))
    return found


def save(browser: Browser, **fields: str) -> Answer:
    asked = {"slug": "helper", "system": "Be short.", "config": '{"model": "test/model", "temperature": 0.5}'}
    return browser.post("/presets/save", **form_of(browser.get(HOME).text), **{**asked, **fields})


def put(browser: Browser, **fields: str) -> Answer:
    return browser.post("/presets/helper/set", **form_of(browser.get(ONE).text), **fields)


def asked_of(well: World, key: Secret) -> str:
    """The model that a request with the preset gets; its status where it is refused."""
    body = {"model": "@preset/helper", "messages": [{"role": "user", "content": "Hello"}]}
    answer = request(well.url, "POST", "/api/v1/chat/completions", body, headers=key.headers)
    return str(answer.json["model"]) if answer.status == 200 else str(answer.status)


def test_the_life_of_a_preset(well: World, owner: User) -> None:
    """Made and obeyed; a second version counts, then the first again; off, and on."""
    key = well.new_key("prs-home")
    browser = browser_of(well, owner)
    assert "No preset yet" in browser.get(HOME).text
    done = save(browser)
    assert done.headers["location"] == "/presets/helper?workspace=prs-home&done=saved"
    assert asked_of(well, key) == "test/model"
    assert b"Be short." in well.received[-1].body
    assert save(browser, config='{"model": "openai/gpt-4"}', system="").status == 303
    assert asked_of(well, key) == "openai/gpt-4"
    page = browser.get(ONE)
    assert [row[0] for row in Looked(page.text).rows[1:]] == ["2", "1"]
    old = browser.get(f"{ONE}&version=1").text
    assert ("Version 1" in old, "Be short." in old, "temperature" in old) == (True, True, True)
    assert put(browser, version="1").status == 303
    assert asked_of(well, key) == "test/model"
    for status in ("disabled", "active", "archived", "active"):
        assert put(browser, status=status).status == 303
        assert asked_of(well, key) == ("test/model" if status == "active" else "400")
    assert put(browser, version="9").status == 404
    for wrong in ({"version": "x"}, {"version": "99999999999999999999"}, {"version": "0"}, {"status": "melted"}):
        assert put(browser, **wrong).status == 400


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"slug": ""}, "slug"),
        ({"slug": "no/slug"}, "slug"),
        ({"config": '{"model": '}, "no JSON"),
        ({"config": "[1]"}, "config"),
        ({"config": '{"temperature": "hot"}'}, "temperature"),
    ],
)
def test_what_is_refused(well: World, owner: User, fields: dict[str, str], said: str) -> None:
    """A clear word, and what was typed is there again."""
    browser = browser_of(well, owner)
    wrong = save(browser, **{"system": "typed by me", "slug": "refused", **fields})
    assert (wrong.status, said in wrong.text) == (400, True), wrong.text
    assert "system" in fields or "typed by me" in wrong.text
    assert browser.get("/presets/refused?workspace=prs-home").status == 404


def test_doors(well: World, owner: User) -> None:
    """For members, who may use the workspace; not for who only pays; another tenant's is not there."""
    assert Browser(well).get("/presets").headers["location"] == "/sign-in?next=%2Fpresets"
    browser = browser_of(well, owner)
    assert save(browser).status == 303
    member = browser_of(well, well.new_user("prs-member", Role.MEMBER, "prs-home"))
    payer = browser_of(well, well.new_user("prs-payer", Role.BILLING, "prs-home"))
    other = browser_of(well, well.new_user("prs-other", Role.OWNER, "prs-other"))
    assert [each.get(HOME).status for each in (member, payer, other)] == [200, 403, 404]
    theirs = form_of(other.get("/presets?workspace=prs-other").text)
    assert other.get("/presets/helper?workspace=prs-other").status == 404
    assert other.post("/presets/helper/set", **theirs, status="disabled").status == 404
    taken = {**theirs, "workspace_id": "prs-home"}
    assert other.post("/presets/helper/set", **taken, status="disabled").status == 404
    assert other.post("/presets/save", **taken, slug="helper", config="{}").status == 404
    for path in ("save", "helper/set"):
        fields = {"slug": "helper", "status": "disabled", "config": '{"model": "test/echo"}'}
        assert browser.post(f"/presets/{path}", **fields, workspace_id="prs-home", csrf="wrong").status == 403
        cross = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
        assert browser.post(f"/presets/{path}", cross, **form_of(browser.get(HOME).text), **fields).status == 403
    assert asked_of(well, well.new_key("prs-home")) == "test/model"
