"""A key that was just made is tested by a button: what comes back is shown, and the key is kept nowhere."""

from playwright.sync_api import expect

from tests.browser.town import Town
from tests.browser.visitor import Form, Visits, in_each_form

KEPT = "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])"


@in_each_form
def test_a_new_key_is_tested(town: Town, visit: Visits, form: Form) -> None:
    """It works and says what is left of its limit; what is no key is told as the server says it."""
    visitor = visit(town.newcomer(f"tried-{form.name}", "5"))
    page = visitor.open("/keys")
    page.locator("input[name=limit]").fill("2.5")
    visitor.enter("Make the key", {"Name": "tried"})
    secret = page.locator("#secret").inner_text()
    visitor.button("Test it now").click()
    visitor.sees("200: it works.")
    expect(page.get_by_label("What came back")).to_contain_text('"limit_remaining": 2.5')
    assert secret not in page.evaluate(KEPT)
    visitor.watch.expect("status of 401")
    page.locator("#secret").evaluate("(it) => { it.textContent = 'sk-or-v1-nothing'; }")
    visitor.button("Test it now").click()
    expect(page.locator("x-try [role=status]")).to_contain_text("401: ")
    expect(page.get_by_label("What came back")).to_be_hidden()


def test_a_key_that_manages(town: Town, visit: Visits) -> None:
    """It asks for what such a key may see; without scripts there is no button, and the command is there."""
    visitor = visit(town.newcomer("tried-manager", "5"))
    page = visitor.open("/keys")
    page.locator("select[name=kind]").select_option("provisioning")
    visitor.enter("Make the key", {"Name": "manages"})
    visitor.button("Test it now").click()
    visitor.sees("200: it works.")
