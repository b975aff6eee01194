"""Charts, the log and its drawer, alerts: as somebody uses them with the pointer, the keyboard, or without scripts."""

import re

from playwright.sync_api import Browser, expect

from tests.browser.town import MODEL, Town
from tests.browser.visitor import Visits
from tests.support import ask, request


def test_a_request_is_found_in_the_log(town: Town, visit: Visits) -> None:
    """Just made, it stands in the log with its cost; its drawer has the bill; Escape leads back to where one was."""
    user = town.newcomer("records", "5")
    key = town.world.new_key("records", creator=user)
    answer = request(town.world.url, "POST", "/api/v1/chat/completions", ask(MODEL), headers=key.headers)
    assert answer.status == 200, answer.text
    town.world.settled()
    visitor = visit(user)
    page = visitor.open("/overview?workspace=records")
    expect(page.locator("x-chart canvas").first).to_be_visible()
    page = visitor.open("/logs?workspace=records")
    row = page.get_by_role("row").filter(has_text=MODEL)
    expect(row).to_contain_text(re.compile(r"\$0\.\d*[1-9]"))
    link = row.get_by_role("link")
    link.focus()
    visitor.press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("Charged")
    expect(drawer).to_contain_text("Why this route")
    visitor.press("Escape")
    expect(drawer).to_have_count(0)
    expect(link).to_be_focused()
    link.click()
    drawer.get_by_role("link", name="Open as a page").click()
    expect(page).to_have_url(re.compile(r"/logs/gen-"))
    visitor.sees("Ask it again")


def test_a_chart_is_read(town: Town, visit: Visits) -> None:
    """The bar below the pointer is said with its figures; they are those of the table."""
    visitor = visit(town.admin)
    page = visitor.open("/activity")
    canvas = page.locator("x-chart canvas")
    expect(canvas).to_be_visible()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5)
    reading = page.locator(".reading")
    expect(reading).to_contain_text(re.compile(r"^20\d\d-\d\d-\d\d: \$"))
    day, _, total = reading.inner_text().partition(" (")[0].partition(": ")
    page.get_by_text("As a table").click()
    expect(page.locator("table tr").filter(has_text=day).locator("td").last).to_have_text(total)


def test_lines_are_read(town: Town, visit: Visits) -> None:
    """A model's lines of first token, speed and uptime, by provider: the time below the pointer, in their units."""
    visitor = visit(town.admin)
    page = visitor.open("/models/openai/gpt-4o-mini?tab=performance&span=720")
    chart = page.locator('x-chart[data-kind="lines"]').first
    canvas = chart.locator("canvas")
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5)
    expect(chart.locator(".reading")).to_contain_text(re.compile(r": .+ (m?s)\b"))
    expect(page.locator("figure .csv").first).to_have_attribute("href", re.compile(r"\.csv\?tab=performance"))


def test_without_scripts(town: Town, browser: Browser) -> None:
    """The server's drawing and the table are there, and a detail is a page."""
    context = browser.new_context(base_url=town.world.url, java_script_enabled=False)
    name, _, value = town.world.signed_in(town.admin)["cookie"].partition("=")
    context.add_cookies([{"name": name, "value": value, "url": town.world.url}])
    page = context.new_page()
    page.goto("/activity")
    expect(page.locator("x-chart svg")).to_be_visible()
    page.goto("/models/openai/gpt-4o-mini?tab=performance&span=720")
    expect(page.locator('x-chart[data-kind="lines"] svg').first).to_be_visible()
    page.goto("/logs")
    page.locator("a[data-drawer]").first.click()
    expect(page.get_by_role("heading", name="Why this route")).to_be_visible()
    context.close()


def test_an_alert_is_made_and_taken_away(town: Town, visit: Visits) -> None:
    """A webhook first, whose secret is copied; then the alert; then it goes."""
    user = town.newcomer("alerted", "5")
    visitor = visit(user)
    page = visitor.open("/alerts?workspace=alerted")
    visitor.enter("Set it", {"URL": "https://hooks.example.com/x"})
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("whsec_")
    visitor.button("Copy the secret").click()
    assert visitor.copied() == secret
    page = visitor.open("/alerts?workspace=alerted")
    visitor.field("It falls below").fill("2")
    page.get_by_label("By webhook").first.check()
    visitor.button("Tell me").first.click()
    visitor.sees("The balance falls below $2.00")
    page.get_by_label("Delete: The balance falls below $2.00").click()
    visitor.button("Delete the alert").click()
    visitor.sees("You are told of nothing yet")
