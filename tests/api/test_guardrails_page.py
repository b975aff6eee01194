"""`/guardrails`, as a browser without scripts uses it: rules are made, assigned, obeyed, taken away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.browsing import Browser
from tests.api.test_privacy_page import form_of
from tests.api.test_workspace_page import browser_of
from tests.support import Answer, World, ask
from tests.web.site import Looked
from tollway.domain.content_filters import Action, PatternFilter
from tollway.domain.guardrails import Guardrail
from tollway.domain.people import Role, User
from tollway.gateway.guardrail_desk import default_guardrail_id
from tollway.storage.guardrails import guardrails_of
from tollway.web.guardrails import pattern_line, patterns_of

HOME = "/guardrails?workspace=grp-home"
HOSTILE = "\"><script>alert(1)</script>'{{ 7 * 7 }}"
RULES = {
    "name": "Interns",
    "description": "",
    "allowed_models": "",
    "ignored_models": "",
    "allowed_providers": "",
    "ignored_providers": "",
    "training": "yes",
    "free_training": "yes",
    "limit": "",
    "reset": "",
    "patterns": "",
}
"""What the form of a guardrail without rules sends."""


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    found = well.new_user("grp-owner", Role.OWNER, "grp-home")
    well.run(well.stage.grant("grp-home", "10"))
    return found


def held(well: World) -> list[Guardrail]:
    return well.run(guardrails_of(well.house.database, "grp-home"))


def make(browser: Browser, name: str = "Interns", place: str = "grp-home") -> str:
    """The URL of a new one."""
    page = browser.get(f"/guardrails?workspace={place}")
    made = browser.submit(page, "/guardrails/create", name=name, description="")
    assert made.status == 303, made.text
    return str(made.headers["location"])


def act(browser: Browser, path: str, what: str, **fields: str) -> Answer:
    return browser.post(f"{path}/{what}", **form_of(browser.get(path).text), **fields)


def test_the_life_of_a_guardrail(well: World, owner: User) -> None:
    """Made, assigned to a key, obeyed, changed, taken off, assigned to who made the key, deleted."""
    browser = browser_of(well, owner)
    key = well.new_key("grp-home", creator=owner)
    path = make(browser)
    assert "Nobody yet" in browser.get(path).text
    assert act(browser, path, "change", **{**RULES, "allowed_models": "openai/gpt-4"}).status == 303
    assert well.chat(headers=key.headers).status == 200
    assert act(browser, path, "assign", key=key.key.id).status == 303
    refused = well.chat(headers=key.headers)
    assert (refused.status, "Interns" in refused.text) == (404, True)
    assert "1 model allowed" in browser.get(HOME).text
    assert act(browser, path, "change", **{**RULES, "patterns": "block: (?i)project x"}).status == 303
    assert well.chat(headers=key.headers).status == 200
    told = ask(messages=[{"role": "user", "content": "About Project X."}])
    assert well.chat(headers=key.headers, messages=told["messages"]).status == 403
    assert act(browser, path, "unassign", key=key.key.id).status == 303
    assert well.chat(headers=key.headers, messages=told["messages"]).status == 200
    assert act(browser, path, "assign", member=owner.id).status == 303
    assert well.chat(headers=key.headers, messages=told["messages"]).status == 403
    assert act(browser, path, "delete").headers["location"] == "/guardrails?workspace=grp-home&done=deleted"
    assert well.chat(headers=key.headers, messages=told["messages"]).status == 200
    assert browser.get(path).status == 404


def test_a_budget(well: World, owner: User) -> None:
    """What the key may spend is what the page says."""
    browser = browser_of(well, owner)
    key = well.new_key("grp-home", creator=owner)
    path, poor = make(browser, "Poor"), {**RULES, "name": "Poor"}
    assert act(browser, path, "assign", key=key.key.id).status == 303
    assert act(browser, path, "change", **{**poor, "limit": "0.0000001", "reset": "daily"}).status == 303
    refused = well.chat(headers=key.headers, max_tokens=20)
    assert (refused.status, "Poor" in refused.text) == (403, True)
    assert 'value="0.0000001"' in browser.get(path).text
    assert act(browser, path, "change", **{**poor, "limit": "1,000.50", "reset": "monthly"}).status == 303
    assert "$1,000.50 each month" in browser.get(HOME).text
    assert well.chat(headers=key.headers, max_tokens=20).status == 200
    assert act(browser, path, "delete").status == 303


def test_what_is_set_is_shown(well: World, owner: User) -> None:
    """Saving the form as it is shown changes nothing; the default one counts for everybody, and is only emptied."""
    browser = browser_of(well, owner)
    path = f"/guardrails/{default_guardrail_id('grp-home')}"
    said = {
        **RULES, "name": "Default", "ignored_models": "openai/gpt-4, test/echo", "ignored_providers": "b",
        "training": "", "free_training": "yes", "zdr_openai": "", "email": "redact", "injection": "flag",
        "injection_user_only": "yes", "patterns": "redact as NAME: \\bjane\\b\r\nflag: a: b",
    }  # fmt: skip
    assert act(browser, path, "change", **said).status == 303
    [before] = [each for each in held(well) if each.id == path.rpartition("/")[2]]
    assert (before.guards.training, before.guards.free_training) == (False, True)
    assert [each.label for each in before.guards.patterns] == ["NAME", None]
    assert [(each.slug.value, each.user_only) for each in before.guards.builtins] == [
        ("email", False),
        ("regex-prompt-injection", True),
    ]
    assert act(browser, path, "change", **said).status == 303
    [after] = [each for each in held(well) if each.id == before.id]
    assert after.guards == before.guards
    assert "everybody" in browser.get(HOME).text
    assert act(browser, path, "delete").status == 303
    assert "nothing yet" in browser.get(HOME).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 300}, "name"),
        ({"limit": "much"}, "limit_usd"),
        ({"limit": "-1"}, "must be 0 or more"),
        ({"limit": "1", "reset": "hourly"}, "reset_interval"),
        ({"email": "melt"}, "action"),
        ({"patterns": "block (no colon)"}, "is none"),
        ({"patterns": "melt: x"}, "is none"),
        ({"patterns": "block: ("}, "pattern"),
        ({"patterns": "block: (?=x)"}, "pattern"),
    ],
)
def test_what_is_refused(well: World, owner: User, fields: dict[str, str], said: str) -> None:
    """A clear word, with what was typed still there; the rules stay as they were."""
    browser = browser_of(well, owner)
    path = make(browser, "Refused")
    before = held(well)
    wrong = act(browser, path, "change", **{**RULES, "name": "Refused", "ignored_models": "kept/typed", **fields})
    assert (wrong.status, said in wrong.text) == (400, True), wrong.text
    assert "name" in fields or "kept/typed" in wrong.text
    assert held(well) == before
    assert act(browser, path, "delete").status == 303


def test_names_stay_text(well: World, owner: User) -> None:
    """Whatever a guardrail is called, the pages show it and run nothing."""
    browser = browser_of(well, owner)
    path = make(browser, HOSTILE)
    for page in (browser.get(path), browser.get(HOME)):
        looked = Looked(page.text)
        assert not looked.all("script")
        assert not [name for _, tag in looked.tags for name in tag if name.startswith("on") or name == "style"]
    assert act(browser, path, "delete").status == 303


def test_doors(well: World, owner: User) -> None:
    """For who manages the workspace; another tenant's is not there, nor are their keys; others' forms do nothing."""
    assert Browser(well).get("/guardrails").headers["location"] == "/sign-in?next=%2Fguardrails"
    browser = browser_of(well, owner)
    path = make(browser, "Ours")
    member = browser_of(well, well.new_user("grp-member", Role.MEMBER, "grp-home"))
    stranger = well.new_user("grp-other", Role.OWNER, "grp-other")
    other = browser_of(well, stranger)
    assert (member.get(HOME).status, other.get(HOME).status) == (403, 404)
    assert (member.get(path).status, other.get(path).status) == (404, 404)
    before = held(well)
    theirs = form_of(other.get("/guardrails?workspace=grp-other").text)
    foreign = well.new_key("grp-other", creator=stranger)
    for what in ("change", "assign", "unassign", "delete"):
        fields = {**RULES, "key": foreign.key.id}
        assert other.post(f"{path}/{what}", **theirs, **fields).status == 404, what
        assert browser.post(f"{path}/{what}", **fields, workspace_id="grp-home", csrf="wrong").status == 403
        cross = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
        assert browser.post(f"{path}/{what}", cross, **form_of(browser.get(path).text), **fields).status == 403
    assert act(browser, path, "assign", key=foreign.key.id).status == 404
    assert act(browser, path, "assign", member=stranger.id).status == 404
    assert act(browser, path, "assign").status == 400
    assert held(well) == before
    assert act(browser, path, "delete").status == 303


@given(
    st.sampled_from(Action),
    st.none() | st.text("ABC_-", min_size=1, max_size=10),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=1),
)
def test_patterns_come_back(action: Action, label: str | None, pattern: str) -> None:
    """A line says the same filter again, whatever is in its expression."""
    [found] = patterns_of(pattern_line(PatternFilter(pattern, action, label)))
    assert (found["action"], found.get("label"), found["pattern"]) == (action.value, label, pattern)
