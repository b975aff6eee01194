"""The journeys by the keyboard alone: Tab, Enter, Space, arrows and letters; where one is, is always seen."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser.test_journeys import third_party
from tests.browser.test_newcomer import SECRET
from tests.browser.town import MODEL, PASSWORD, Town
from tests.browser.visitor import Visitor, Visits
from tests.browser.watch import TELL
from tests.support import World, ask, offer, request, world
from tollway.domain.people import User

NO_POINTER = f"addEventListener('pointerdown', (event) => event.isTrusted && window.{TELL}('a pointer was used'), true)"

Typists = Callable[..., Visitor]
"""`typist(user=None, world=None)`: a visitor who complains when a pointer is used."""


@pytest.fixture
def typist(visit: Visits) -> Typists:
    """Somebody without a mouse."""

    def come(user: User | None = None, world: World | None = None) -> Visitor:
        visitor = visit(user, world=world)
        visitor.context.add_init_script(NO_POINTER)
        return visitor

    return come


@pytest.fixture(scope="module")
def new_server() -> Iterator[World]:
    """A server that nobody has set up."""
    with world(offer()) as it:
        yield it


def test_first_start(new_server: World, typist: Typists) -> None:
    """The setup's link, a name, a password: the admin is there, and goes through the steps of the setup."""
    house = new_server.house
    token = new_server.run(house.people.setup_token(house.gateway.now_ms()))
    visitor = typist(world=new_server)
    page = visitor.open(f"/setup#{token}")
    expect(page).to_have_url(f"{new_server.url}/setup")
    visitor.type_into("Name", "Ada")
    visitor.type_into("E-mail address", "ada@first.example")
    visitor.type_into("Password", PASSWORD)
    visitor.press("Enter")
    expect(page).to_have_url(re.compile("/admin/setup"))
    visitor.press_on("2")
    expect(page).to_have_url(re.compile("step=people"))


def test_from_sign_up_to_a_call(town: Town, typist: Typists) -> None:
    """An account, a key, copied; its call stands in the log, opened and closed again."""
    visitor = typist()
    page = visitor.open("/sign-up")
    visitor.type_into("E-mail address", "by-hand@proof.example")
    visitor.type_into("Password", PASSWORD)
    visitor.press("Enter")
    expect(page).to_have_url(f"{town.world.url}/overview")
    visitor.press_on("Keys")
    expect(page).to_have_url(re.compile("/keys"))
    visitor.type_into("Name", "by hand")
    visitor.press_on("Make the key")
    expect(page.locator("#secret")).to_be_visible()
    visitor.press_on("Copy the key")
    expect(page.locator("#announcements")).not_to_be_empty()
    secret = visitor.copied()
    assert SECRET.fullmatch(secret)
    headers = {"authorization": f"Bearer {secret}"}
    assert request(town.world.url, "POST", "/api/v1/chat/completions", ask(MODEL), headers=headers).status == 200
    town.world.settled()
    visitor.press_on("Logs")
    expect(page.get_by_role("row").filter(has_text=MODEL)).to_contain_text(re.compile(r"\$0\.\d*[1-9]"))
    visitor.press_on("Detail of")
    expect(page.get_by_role("dialog")).to_contain_text("Why this route")
    visitor.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_chat_room(town: Town, typist: Typists, tmp_path: Path) -> None:
    """A second model is chosen, one answer is stopped; after a reload all is exported, and imported by another."""
    visitor = typist(town.newcomer("keys-chat", "5"))
    page = visitor.open("/chat?model=test/endless")
    expect(page.get_by_label("Your message")).to_be_focused()
    visitor.press_on("Add a model")
    visitor.press_on("Model 2:")
    page.keyboard.type("test/m")
    visitor.press("ArrowDown", "ArrowUp", "Enter")
    expect(page.get_by_role("button", name="Model 2:")).to_be_focused()
    visitor.type_into("Your message", "Tell me about roads.")
    visitor.press("Enter")
    expect(page.get_by_role("region", name="Answer of test/endless").locator(".prose")).not_to_be_empty()
    visitor.press_on("Stop test/endless")
    expect(page.get_by_text("Stopped.")).to_be_visible()
    expect(page.get_by_role("button", name="Regenerate")).to_have_count(2)
    page.reload()
    expect(page.get_by_role("button", name="Regenerate")).to_have_count(2)
    with page.expect_download() as download:
        visitor.press_on("Export all", "Space")
    path = tmp_path / "talk.json"
    download.value.save_as(path)
    assert len(json.loads(path.read_text("utf-8"))["conversations"]) == 1
    other = typist(town.newcomer("keys-chat-b", "5"))
    other.open("/chat?model=test/model")
    expect(other.page.get_by_label("Your message")).to_be_focused()
    with other.page.expect_file_chooser() as chooser:
        other.press_on("Import")
    chooser.value.set_files(path)
    expect(other.page.get_by_role("heading", name="Tell me about roads.")).to_be_visible()


def test_buying_and_giving_back(town: Town, typist: Typists) -> None:
    """An amount, the checkout, and what is unused of it given back."""
    visitor = typist(town.newcomer("keys-buyer"))

    def checkout(route: Route) -> None:
        town.pay(route.request.url.rpartition("/")[2])
        back = f'<a href="{town.world.url}/credits">Paid: back to the shop</a>'
        page = f'<!doctype html><title>Checkout</title><link rel="icon" href="data:,">{back}'
        route.fulfill(status=200, content_type="text/html", body=page)

    visitor.watch.allow("https://checkout.stripe.test")
    visitor.context.route("https://checkout.stripe.test/**", checkout)
    visitor.open("/credits")
    visitor.type_into("Amount in USD", "20")
    visitor.press("Enter")
    visitor.sees("Pay $20")
    visitor.press_on("Go to the checkout")
    visitor.sees("Paid: back to the shop")
    visitor.press_on("Paid: back to the shop")
    visitor.sees("$20.00 to be used")
    visitor.press_on("Refund…")
    visitor.press_on("Give back what is unused", "Space")
    visitor.sees("$0.00 to be used")


def test_an_app_asks_for_a_key(town: Town, typist: Typists) -> None:
    """The consent page: a limit, yes, and back to the app with a key that works."""
    visitor = typist(town.newcomer("keys-pkce", "5"))
    with third_party() as origin:
        visitor.watch.allow(origin)
        visitor.page.goto(f"{origin}/?gate={town.world.url}")
        visitor.sees("Only the app that asked can use the code.")
        visitor.type_into("Limit in USD", "3")
        visitor.press_on("Give it a key")
        expect(visitor.page.locator("#said")).to_have_text(re.compile(r"200 200 sk-or-v1-"))


def test_a_new_provider(town: Town, typist: Typists) -> None:
    """Added by its address, its endpoint chosen in a list, tested, switched off."""
    visitor = typist(town.admin)
    page = visitor.open("/admin/providers")
    visitor.press_on("Add a provider by its address")
    visitor.type_into("Address", f"{town.world.simulator.url}/p/jetty/v1")
    visitor.type_into("Short name", "jetty")
    visitor.type_into("Display name", "Jetty")
    visitor.press_on("More")
    visitor.press_on("What it lists without a price", "Space")
    visitor.press_on("Ask for its models, and add it")
    expect(page).to_have_url(re.compile("/admin/providers/jetty"))
    visitor.tab_to("Endpoint")
    page.keyboard.type("jetty:sim/fast")
    visitor.press_on("Send “Hi”")
    visitor.sees("It said")
    visitor.press_on("Switch off…")
    visitor.press_on("Switch off")
    expect(page.get_by_text("off", exact=True).first).to_be_visible()


def test_an_admin_refunds(town: Town, typist: Typists) -> None:
    """Found by its workspace, looked at twice, given back."""
    person = town.newcomer("keys-refunded")
    town.buy(person, "keys-refunded", 15)
    visitor = typist(town.admin)
    page = visitor.open("/admin/payments")
    visitor.type_into("Workspace\u2019s id", "keys-refunded")
    visitor.press("Enter")
    expect(page).to_have_url(re.compile("workspace=keys-refunded"))
    visitor.press_on("Refund…")
    visitor.press_on("Refund $15.00")
    expect(page.get_by_role("status").first).to_be_visible()
    buyer = typist(person)
    buyer.open("/credits")
    buyer.sees("$0.00 to be used")


def test_a_price_cap(town: Town, typist: Typists) -> None:
    """A cap that nobody can meet leaves nobody, and each line says which rule it was."""
    visitor = typist()
    page = visitor.open(f"/explore?model={MODEL}")
    expect(page.locator("#tried-title")).to_be_visible()
    visitor.type_into("Input at most", "0.000001")
    visitor.press("Enter")
    expect(page.locator("#tried-title")).to_have_count(0)
    visitor.sees("max_price")
