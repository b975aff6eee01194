"""Ways through the chat room: what was taken away comes back."""

from playwright.sync_api import expect

from tests.browser.town import Town
from tests.browser.visitor import Visitor, Visits

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
