"""From nothing to a first answer: the setup's link, signing up, a key, a call, its line in the log."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.town import MODEL, PASSWORD, Town
from tests.browser.visitor import Form, Visits, in_each_form
from tests.support import World, ask, offer, request, world

SECRET = re.compile(r"sk-or-v1-[0-9A-Za-z]{40,}")


@pytest.fixture
def first_day() -> Iterator[World]:
    """A server that nobody has set up."""
    with world(offer()) as it:
        yield it


@in_each_form
def test_first_start(first_day: World, visit: Visits, form: Form) -> None:
    """The link that the server prints makes the first admin, once; its secret leaves the address bar at once."""
    house = first_day.house
    token = first_day.run(house.people.setup_token(house.gateway.now_ms()))
    assert token
    visitor = visit(world=first_day)
    page = visitor.open(f"/setup#{token}")
    expect(page).to_have_url(f"{first_day.url}/setup")
    visitor.enter("Set up", {"E-mail address": "first@example.com", "Name": "Ada", "Password": PASSWORD})
    expect(page).to_have_url(re.compile("/admin/setup"))
    visitor.open("/account")
    expect(visitor.field("E-mail address")).to_have_value("first@example.com")
    late = visit(world=first_day)
    late.watch.expect("status of 40")
    late.open(f"/setup#{token}")
    late.enter("Set up", {"E-mail address": "second@example.com", "Password": PASSWORD})
    late.sees("This link does not work any more")


@in_each_form
def test_sign_up_to_first_answer(town: Town, visit: Visits, form: Form) -> None:
    """Signs up with the credit of newcomers, makes a key, copies it, calls with it; the page tells what it spent."""
    visitor = visit()
    page = visitor.open("/sign-up")
    visitor.enter(
        "Create the account", {"E-mail address": f"new-{form.name}@proof.example", "Name": "New", "Password": PASSWORD}
    )
    expect(page).to_have_url(f"{town.world.url}/overview")
    visitor.sees("Credits are there: $2.00.")
    visitor.open("/credits")
    visitor.sees("$2.00 to be used")
    visitor.open("/keys")
    visitor.enter("Make the key", {"Name": "first <b>key</b>"})
    secret = page.locator("#secret").inner_text()
    assert SECRET.fullmatch(secret)
    visitor.button("Copy the key").click()
    assert visitor.copied() == secret
    answer = request(
        town.world.url, "POST", "/api/v1/chat/completions", ask(MODEL), headers={"authorization": f"Bearer {secret}"}
    )
    assert answer.status == 200, answer.text
    town.world.settled()
    visitor.open("/keys")
    row = page.get_by_role("row").filter(has_text="first <b>key</b>")
    expect(row).to_contain_text(re.compile(r"\$0\.\d*[1-9]"))
    assert secret not in page.content()
    visitor.open("/logs")
    expect(page.get_by_role("row").filter(has_text=MODEL)).to_contain_text(re.compile(r"\$0\.\d*[1-9]"))


def test_by_keyboard_alone(town: Town, visit: Visits) -> None:
    """From signing in to a copied key: Tab, Enter and letters; where one is, is always seen."""
    visitor = visit()
    town.world.run(
        town.world.house.people.sign_up("keys@proof.example", PASSWORD, "Keys", town.world.house.gateway.now_ms())
    )
    page = visitor.open("/sign-in?next=/keys")
    visitor.tab_to("E-mail")
    page.keyboard.type("keys@proof.example")
    visitor.tab_to("Password")
    page.keyboard.type(PASSWORD)
    visitor.press("Enter")
    expect(page).to_have_url(f"{town.world.url}/keys")
    visitor.tab_to("Name")
    page.keyboard.type("by hand")
    visitor.tab_to("Make the key")
    visitor.press("Enter")
    expect(page.locator("#secret")).to_be_visible()
    visitor.tab_to("Copy the key")
    visitor.press("Enter")
    expect(page.locator("#announcements")).not_to_be_empty()
    assert SECRET.fullmatch(visitor.copied())
