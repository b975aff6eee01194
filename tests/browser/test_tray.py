"""The tray of the models browser: what is ticked is named and stays, and is compared or asked from there."""

import re

from playwright.sync_api import Page, expect

from tests.browser.visitor import Form, Visits, in_each_form

PICKED = ("openai/gpt-4o-mini", "openai/gpt-4o", "test/cheap")


def tick(page: Page, model: str) -> None:
    """Searches for a model, and ticks its row."""
    page.get_by_label("Search models").fill(model)
    expect(page).to_have_url(re.compile(f"q={model}".replace("/", "%2F")))
    page.locator(f"input[form=compare][value='{model}']").check()


@in_each_form
def test_what_is_ticked_stays(visit: Visits, form: Form) -> None:
    """Over a search, an order, a reload and the way back; two of three are compared after one is taken off."""
    visitor = visit()
    page = visitor.open("/models")
    for model in PICKED:
        tick(page, model)
    tray = page.get_by_role("list", name="Ticked models")
    expect(tray.get_by_role("listitem")).to_have_count(3)
    visitor.sees("3 of 4")
    page.get_by_label("Search models").fill("openai/gpt-4o")
    page.get_by_text("More filters").click()
    page.locator("select[name=sort]").select_option("output")
    expect(page).to_have_url(re.compile("sort=output"))
    for model in PICKED[:2]:
        expect(page.locator(f"input[form=compare][value='{model}']")).to_be_checked()
    page.reload()
    expect(tray.get_by_role("listitem")).to_have_count(3)
    tray.get_by_role("button").first.click()
    expect(tray.get_by_role("listitem")).to_have_count(2)
    expect(tray.get_by_role("button").first).to_be_focused()
    visitor.button("Compare the ticked").click()
    expect(page).to_have_url(re.compile(r"/compare\?model=openai%2Fgpt-4o&model=test%2Fcheap$"))
    expect(page.locator("thead th")).to_have_count(2)
    page.go_back()
    expect(tray.get_by_role("listitem")).to_have_count(2)


def test_four_at_most(visit: Visits) -> None:
    """A fifth is not ticked, and the page says what to do."""
    visitor = visit()
    page = visitor.open("/models")
    boxes = page.locator("input[form=compare]")
    for number in range(4):
        boxes.nth(number).check()
    boxes.nth(4).click()
    expect(boxes.nth(4)).not_to_be_checked()
    visitor.sees("4 at most: take one off first")


def test_they_are_asked_in_chat(visit: Visits) -> None:
    """The other button takes them along, too: who is not signed in is led through there."""
    visitor = visit()
    page = visitor.open("/models")
    for model in PICKED[1:]:
        tick(page, model)
    visitor.button("Ask them in chat").click()
    expect(page).to_have_url(re.compile("/sign-in"))
    assert page.url.count("model") == 2
