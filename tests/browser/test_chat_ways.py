"""Ways through the chat room: what was taken away comes back; files from anywhere; keys that do things."""

import pytest
from playwright.sync_api import expect

from tests.browser.town import Town
from tests.browser.visitor import Visitor, Visits, Width

MODELS = ("test/model", "test/cheap")


def room(town: Town, visit: Visits, name: str, *models: str) -> Visitor:
    """Somebody new in the chat room, with these models."""
    visitor = visit(town.newcomer(name, "5"))
    visitor.open("/chat?" + "&".join(f"model={each}" for each in models))
    expect(visitor.page.locator(".composer")).to_be_visible()
    return visitor


def say(visitor: Visitor, text: str, answers: int) -> None:
    """Asks, and waits until so many answers stand on the page."""
    visitor.field("Your message").fill(text)
    visitor.field("Your message").press("Enter")
    expect(visitor.page.locator(".answer .prose")).to_have_count(answers)
    expect(visitor.button("Send")).to_be_visible()


def test_a_prompt_comes_back(town: Town, visit: Visits) -> None:
    """Deleted with what followed, and taken back; a reload shows that both were kept. What is asked next ends it."""
    visitor = room(town, visit, "ways-prompt", MODELS[0])
    page = visitor.page
    say(visitor, "First thing", 1)
    say(visitor, "Second thing", 2)
    page.get_by_role("button", name="Delete", exact=True).first.click()
    expect(page.locator(".turn")).to_have_count(0)
    visitor.sees("2 prompts and their answers were deleted.")
    expect(visitor.button("Undo")).to_be_focused()
    visitor.press("Enter")
    expect(page.locator(".turn")).to_have_count(2)
    expect(visitor.button("Undo")).to_have_count(0)
    page.reload()
    expect(page.locator(".turn")).to_have_count(2)
    page.get_by_role("button", name="Delete", exact=True).last.click()
    visitor.sees("The prompt and its answers were deleted.")
    say(visitor, "Third thing", 2)
    expect(visitor.button("Undo")).to_have_count(0)


def test_a_pane_comes_back(town: Town, visit: Visits) -> None:
    """To its place, with its answers."""
    visitor = room(town, visit, "ways-pane", *MODELS)
    page = visitor.page
    say(visitor, "Both of you", 2)
    before = page.locator(".answer").first.inner_text()
    visitor.button(f"Remove {MODELS[0]}").click()
    expect(page.locator(".answer")).to_have_count(1)
    visitor.button("Undo").click()
    expect(page.locator(".answer")).to_have_count(2)
    assert page.locator(".answer").first.inner_text() == before


DROP = """(where) => {
  const files = new DataTransfer();
  files.items.add(new File(["%PDF-1.4"], "plan.pdf", { type: "application/pdf" }));
  const at = document.querySelector(where);
  for (const name of ["dragover", "drop"]) {
    const event = new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: files });
    at.dispatchEvent(event);
    if (!event.defaultPrevented) throw new Error(`${name} is left to the browser`);
  }
}"""


@pytest.mark.parametrize("where", [".composer", ".lines", "header.top"])
def test_a_file_dropped_anywhere(town: Town, visit: Visits, where: str) -> None:
    """On the prompts, the head of the page or the form: it is attached once, and the page stays."""
    visitor = room(town, visit, f"ways-drop-{where.strip('.').replace('.', '-')}", MODELS[0])
    visitor.page.evaluate(DROP, where)
    expect(visitor.page.locator(".composer .attached li")).to_have_count(1)
    visitor.sees("plan.pdf")


def test_a_guest_drops_nothing(town: Town, visit: Visits) -> None:
    """Nothing is attached, and the browser does not leave the page for the file. The way in is beside the way up."""
    visitor = visit()
    page = visitor.open("/playground")
    expect(page.locator(".composer")).to_be_visible()
    page.evaluate(DROP, ".lines")
    expect(page.locator(".composer .attached")).to_have_count(0)
    assert str(visitor.link("sign in").get_attribute("href")).endswith("/sign-in?next=/chat")


@pytest.mark.parametrize("width", [1440, 375])
def test_shortcuts(town: Town, visit: Visits, width: Width) -> None:
    """A new conversation, the search, and the list of them; what is typed stays what it is."""
    visitor = visit(town.newcomer(f"ways-keys-{width}", "5"), width=width)
    page = visitor.open(f"/chat?model={MODELS[0]}")
    say(visitor, "Is it? Yes", 1)
    expect(page.locator("dialog")).to_have_count(0)
    visitor.press("Control+k")
    expect(page.get_by_label("Search conversations")).to_be_focused()
    visitor.press("Escape")
    visitor.press("Control+Shift+O")
    expect(page.locator(".turn")).to_have_count(0)
    page.locator(".lines").focus()
    visitor.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("begins a new conversation")
    visitor.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    visitor.button("Keyboard shortcuts").click()
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator("dialog")).to_have_count(0)
