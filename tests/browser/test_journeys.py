"""Journeys over several pages: buying and refunds, an app that asks for a key, a new provider, a price cap, the log."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Route, expect

from tests.browser.town import MODEL, Town
from tests.browser.visitor import Form, Visits, in_each_form
from tests.support import ask, request

APP = """<!doctype html><html lang="en"><title>An app</title><link rel="icon" href="data:,">
<p id="said">asking</p><script type="module">
const gate = new URLSearchParams(location.search).get("gate") ?? sessionStorage.gate;
const text = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\\+/g, "-").replace(/\\//g, "_")
  .replace(/=+$/, "");
const code = new URLSearchParams(location.search).get("code");
if (code) {
  const body = JSON.stringify({ code, code_verifier: sessionStorage.verifier, code_challenge_method: "S256" });
  const answer = await fetch(`${gate}/api/v1/auth/keys`, { method: "POST", body,
    headers: { "content-type": "application/json" } });
  const { key } = await answer.json();
  const chat = await fetch(`${gate}/api/v1/chat/completions`, { method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "%s", messages: [{ role: "user", content: "Hello" }] }) });
  document.getElementById("said").textContent = `${answer.status} ${chat.status} ${key.slice(0, 9)}`;
} else {
  sessionStorage.gate = gate;
  sessionStorage.verifier = text(crypto.getRandomValues(new Uint8Array(48)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sessionStorage.verifier));
  const back = `${location.origin}/back`;
  const challenge = `code_challenge=${text(new Uint8Array(digest))}&code_challenge_method=S256`;
  location.href = `${gate}/auth?callback_url=${encodeURIComponent(back)}&${challenge}&key_label=Sketchpad`;
}
</script>""".replace("%s", MODEL)
"""A page of somebody else: it asks for a key by PKCE, trades the code for it, and calls a model with it."""


@contextmanager
def third_party() -> Iterator[str]:
    """That page, on a port of its own: its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(APP.encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@in_each_form
def test_an_app_asks_for_a_key(town: Town, visit: Visits, form: Form) -> None:
    """From its page over sign-in and consent back to it: S256, a limit, a key that calls, and is in the list."""
    person = town.newcomer(f"proof-pkce-{form.name}", "5")
    visitor = visit(person)
    with third_party() as origin:
        visitor.watch.allow(origin)
        page = visitor.page
        page.goto(f"{origin}/?gate={town.world.url}")
        visitor.sees("Only the app that asked can use the code.")
        visitor.sees("Sketchpad")
        page.locator("input[name=limit]").fill("3")
        visitor.button("Give it a key").click()
        page.wait_for_url(f"{origin}/back?**")
        expect(page.locator("#said")).to_have_text(re.compile(r"200 200 sk-or-v1-"))
    town.world.settled()
    visitor.open("/keys")
    row = page.get_by_role("row").filter(has_text="Sketchpad")
    expect(row).to_contain_text("$3.00")


@in_each_form
def test_buying_and_a_refund(town: Town, visit: Visits, form: Form) -> None:
    """A purchase is paid at the checkout, is spendable with a receipt, and what is unused of it is given back."""
    person = town.newcomer(f"proof-buyer-{form.name}")
    visitor = visit(person)

    def checkout(route: Route) -> None:
        town.pay(route.request.url.rpartition("/")[2])
        back = f'<a href="{town.world.url}/credits">Paid: back to the shop</a>'
        page = f'<!doctype html><title>Checkout</title><link rel="icon" href="data:,">{back}'
        route.fulfill(status=200, content_type="text/html", body=page)

    visitor.watch.allow("https://checkout.stripe.test")
    visitor.context.route("https://checkout.stripe.test/**", checkout)
    page = visitor.open("/credits")
    visitor.sees("Nothing was bought yet.")
    visitor.enter("Buy", {"Amount in USD": "20"})
    visitor.sees("Pay $20")
    visitor.link("Go to the checkout").click()
    visitor.link("Paid: back to the shop").click()
    visitor.sees("$20.00 to be used")
    receipt = page.get_by_role("link", name=re.compile("R-"))
    receipt.click()
    visitor.sees("$20.00")
    page.go_back()
    page.get_by_text("Refund…").click()
    visitor.button("Give back what is unused").click()
    visitor.sees("$0.00 to be used")


@in_each_form
def test_an_admin_refunds(town: Town, visit: Visits, form: Form) -> None:
    """What is unused of a purchase goes back, after a second look; the buyer's page says so."""
    place = f"proof-refunded-{form.name}"
    person = town.newcomer(place)
    town.buy(person, place, 15)
    admin = visit(town.admin)
    page = admin.open(f"/admin/payments?workspace={place}")
    page.get_by_text("Refund…").click()
    admin.button("Refund $15.00").click()
    page.wait_for_load_state()
    buyer = visit(person)
    buyer.open("/credits")
    buyer.sees("$0.00 to be used")


@in_each_form
def test_a_price_cap_is_obeyed(town: Town, visit: Visits, form: Form) -> None:
    """A lower cap leaves fewer endpoints; what is left out says which rule it was; the JSON says the cap."""
    visitor = visit()
    page = visitor.open("/explore?model=test/pair")
    visitor.sees("2 endpoints would be tried")
    page.goto("/explore?model=openai/gpt-oss-120b")
    heading = page.locator("#tried-title")
    before = int(heading.inner_text().split()[0])
    cheapest = page.get_by_role("region", name=re.compile("would be tried")).locator("tbody tr td:nth-child(3)").first
    cap = cheapest.inner_text().strip().lstrip("$")
    visitor.field("Input at most").fill(cap)
    visitor.button("Show").click()
    expect(page.locator("#out-title")).to_be_visible()
    assert 0 < int(heading.inner_text().split()[0]) < before
    expect(page.locator("#body")).to_contain_text("max_price")
    expect(page).to_have_url(re.compile("in="))
    visitor.field("Input at most").fill("0.000001")
    visitor.button("Show").click()
    expect(page.locator("#tried-title")).to_have_count(0)
    visitor.sees("max_price")


@in_each_form
def test_a_new_provider(town: Town, visit: Visits, form: Form) -> None:
    """Added by its address, tested, and asked in the chat room, without a restart."""
    slug = f"quay-{form.name}"
    visitor = visit(town.admin)
    page = visitor.open("/admin/providers")
    page.get_by_text("Add a provider by its address").click()
    page.locator("details.fold textarea[name=models]").evaluate("(it) => it.closest('details').open = true")
    page.get_by_label(re.compile("What it lists without a price")).check()
    fields = {
        "Address": f"{town.world.simulator.url}/p/{slug}/v1",
        "Short name": slug,
        "Display name": f"Quay {form.name}",
    }
    visitor.enter("Ask for its models, and add it", fields)
    expect(page).to_have_url(re.compile(f"/admin/providers/{slug}"))
    page.locator("select[name=model]").select_option(f"{slug}:sim/fast")
    visitor.button("Send “Hi”").click()
    visitor.sees("It said")
    expect(page.get_by_role("status").filter(has_text="Outcome")).to_contain_text("ok")
    row = page.get_by_role("region", name="Endpoints").get_by_role("row").filter(has_text="sim/fast")
    model = row.locator("td").first.inner_text()
    visitor.open(f"/chat?model={model}")
    page.get_by_label(f"Settings of {model}").click()
    page.get_by_label("Provider preferences").fill(json.dumps({"only": [slug]}))
    page.get_by_label("Provider preferences").press("Escape")
    page.get_by_label("Your message").fill("Are you there?")
    page.get_by_label("Your message").press("Enter")
    expect(page.get_by_text(f"Quay {form.name}").first).to_be_visible()


@in_each_form
def test_the_log_of_a_request(town: Town, visit: Visits, form: Form) -> None:
    """A call by the API stands in the log with its cost, its provider and why it went there."""
    person = town.newcomer(f"proof-logs-{form.name}", "5")
    key = town.world.new_key(f"proof-logs-{form.name}", creator=person)
    answer = request(town.world.url, "POST", "/api/v1/chat/completions", ask(MODEL), headers=key.headers)
    assert answer.status == 200, answer.text
    town.world.settled()
    visitor = visit(person)
    page = visitor.open("/logs")
    expect(page.get_by_role("row").filter(has_text=MODEL)).to_contain_text(re.compile(r"\$0\.\d*[1-9]"))
    visitor.open(f"/logs/{answer.json['id']}")
    visitor.sees("Why this route")
    visitor.sees("next by cost")
    stranger = visit(town.newcomer(f"proof-stranger-{form.name}"))
    stranger.open(f"/logs/{answer.json['id']}", 404)
