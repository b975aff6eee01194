"""Conversations out of other chats, and the models that somebody likes: read, shown, gone on with, and kept."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.test_chat_modules import FILES, run
from tests.browser.town import Town
from tests.browser.visitor import Visits

EXPORTS = Path(__file__).parent / "exports"
"""Made by hand after the files that Claude and Open WebUI write."""


def said(talk: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Each prompt of a conversation with its answers, in order of time."""
    turns = sorted(talk["turns"].values(), key=lambda turn: turn["at"])
    return [(turn["text"], [each["text"] for line in turn["answers"].values() for each in line]) for turn in turns]


@pytest.fixture
def page(visit: Visits) -> Page:
    """Any page of the site."""
    return visit().open("/status")


def test_claude(page: Page) -> None:
    """Texts in parts, what was thought, attached text; with a leaf only its branch."""
    first, second = run(page, "portable", FILES, (EXPORTS / "claude.json").read_text("utf-8"))
    assert (first["title"], first["created"]) == ("Tolls of Claude", 1771063462000)
    assert said(first) == [
        ("road.txt:\n\nA road ends.\n\nWhat is a toll?", ["A fee.\n\nFor a road."]),
        ("And a booth?", ["A small house."]),
    ]
    answers = [each for turn in first["turns"].values() for line in turn["answers"].values() for each in line]
    assert {each["model"] for each in answers} == {"claude-sonnet-4-6"}
    assert [each["reasoning"] for each in answers if each["reasoning"]] == ["Roads cost money."]
    assert said(second) == [("Hello", ["Seen last"])]


def test_open_webui(page: Page) -> None:
    """The branch that was seen last, the system prompt, the models; reasoning is not part of the answer."""
    [talk] = run(page, "portable", FILES, (EXPORTS / "open_webui.json").read_text("utf-8"))
    assert (talk["title"], talk["created"], talk["panes"][0]["system"]) == (
        "Tolls of Open WebUI", 1760000000000, "Be brief.",
    )  # fmt: skip
    assert said(talk) == [("What is a toll?", ["A fee."]), ("And a booth?", ["A small house."])]
    [bare] = run(page, "portable", FILES, json.dumps(talk_without_a_chat()))
    assert said(bare) == [("Hi", ["Ho"])]


def talk_without_a_chat() -> dict[str, Any]:
    """As older versions write one conversation."""
    messages = {
        "a": {"id": "a", "parentId": None, "role": "user", "content": "Hi"},
        "b": {"id": "b", "parentId": "a", "role": "assistant", "content": "Ho"},
    }
    return {"title": "Bare", "timestamp": 1760000000000, "history": {"messages": messages, "currentId": "b"}}


@pytest.mark.parametrize(
    "data",
    [
        [{"chat_messages": [None, 3, {"uuid": "__proto__", "sender": ["x"], "content": "x", "attachments": {}}]}],
        [{"chat_messages": [], "current_leaf_message_uuid": "toString"}],
        [{"mapping": {"a": {"parent": "b"}, "b": {"parent": "a"}}, "current_node": "a"}],
        [{"mapping": {"a": {"parent": None, "message": {"content": {"parts": 7}}}}, "current_node": "a"}],
        [{"history": {"messages": {"a": 3}, "currentId": "a"}, "params": 4, "timestamp": "x"}],
        [{"chat": {"history": {"messages": {"a": {"parentId": "a", "content": {}}}, "currentId": "a"}}}],
    ],
    ids=["claude", "claude leaf", "chatgpt circle", "chatgpt parts", "open webui node", "open webui circle"],
)  # fmt: skip
def test_broken_files_break_nothing(page: Page, data: list[dict[str, Any]]) -> None:
    """Of what has the shape but not the types, nothing is taken; circles end."""
    [talk] = run(page, "portable", FILES, json.dumps(data))
    assert said(talk) == []
    mixed = run(page, "portable", FILES, json.dumps([*data, {"something": "else"}]))
    assert "neither an export" in mixed


@pytest.mark.parametrize(("name", "title"), [("claude", "Tolls of Claude"), ("open_webui", "Tolls of Open WebUI")])
def test_an_import_goes_on(town: Town, visit: Visits, name: str, title: str) -> None:
    """Chosen as a file it is listed and shown, and the next question is answered."""
    page = visit(town.newcomer(f"proof-{name}", "5")).open("/chat?model=test/model")
    body = (EXPORTS / f"{name}.json").read_bytes()
    file = FilePayload(name="conversations.json", mimeType="application/json", buffer=body)
    page.get_by_label("Files with conversations").set_input_files([file])
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    expect(page.locator(".prose").last).to_have_text("A small house.")
    page.get_by_label("Your message").fill("Thanks")
    page.get_by_label("Your message").press("Enter")
    expect(page.get_by_role("button", name="Regenerate")).to_have_count(3)


def test_favourites_come_first(town: Town, visit: Visits) -> None:
    """A model that is liked stands first in every pane's list, also after a reload; what was chosen follows."""
    visitor = visit(town.newcomer("proof-favourites", "5"))
    page = visitor.open("/chat?model=test/slow")
    star = page.get_by_role("button", name="Favourite: test/slow")
    expect(star).to_have_attribute("aria-pressed", "false")
    star.focus()
    visitor.press("Enter")
    expect(star).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Model 1:").click()
    page.get_by_label("Search models").fill("test/cheap")
    visitor.press("Enter")
    page.reload()
    page.get_by_role("button", name="Model 1:").click()
    options = page.get_by_role("listbox", name="Models").get_by_role("option")
    expect(options.nth(0)).to_contain_text("★ favourite")
    expect(options.nth(0)).to_contain_text("test/slow")
    expect(options.nth(1)).to_contain_text("recent")
    expect(options.nth(1)).to_contain_text("test/cheap")
    visitor.press("Escape")
    other = visit(town.newcomer("proof-favourites-b", "5")).open("/chat?model=test/slow")
    expect(other.get_by_role("button", name="Favourite: test/slow")).to_have_attribute("aria-pressed", "false")


def test_panes_have_prompts_of_their_own(town: Town, visit: Visits) -> None:
    """Each pane sends its own system prompt."""
    visitor = visit(town.newcomer("proof-prompts", "5"))
    page = visitor.open("/chat?model=test/model&model=test/cheap")
    for model, text in (("test/model", "Be brief."), ("test/cheap", "Be long.")):
        page.get_by_label(f"Settings of {model}").click()
        prompt = page.get_by_label("System prompt").filter(visible=True)
        prompt.fill(text)
        prompt.press("Escape")
    page.get_by_label("Your message").fill("Hello")
    page.get_by_label("Your message").press("Enter")
    expect(page.get_by_role("button", name="Regenerate")).to_have_count(2)
    sent = [each["messages"][0]["content"] for each in town.world.stage.bodies()[-2:]]
    assert sorted(sent) == ["Be brief.", "Be long."]
