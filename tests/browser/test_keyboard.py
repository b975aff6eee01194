"""The keyboard alone: on every page, each control is reached with Tab, shows that it is, and lets go again."""

from collections.abc import Callable

import pytest

from tests.browser.examine import THIN, settle
from tests.browser.pages import PAGES, Listed
from tests.browser.visitor import Visits
from tollway.domain.people import User

MORE_STEPS = 40
"""A date has several stops, and what scrolls is one; more than these are a trap."""
REFERENCE_STEPS = 1_500
"""The API reference makes its operations when one comes near them."""


@pytest.mark.parametrize("listed", [pytest.param(each, id=each.name) for each in PAGES])
def test_each_control_is_reached(
    visit: Visits, where: Callable[[Listed], tuple[str, User | None]], listed: Listed
) -> None:
    """From the top of the page to its end, without a mouse. Long lists are cut: their rows are alike."""
    url, user = where(listed)
    page = visit(user).open(url, listed.status)
    settle(page)
    page.evaluate(THIN)
    more = REFERENCE_STEPS if page.locator("x-reference").count() else MORE_STEPS
    for _ in range(page.evaluate(WATCHED) + more):
        page.keyboard.press("Tab")
        if not page.evaluate("globalThis.tabbed.missed().length"):
            break
    assert page.evaluate("globalThis.tabbed.missed()") == [], "not reached"
    assert page.evaluate("globalThis.tabbed.unseen") == [], "nothing shows that these have the focus"


WATCHED = """() => {
  document.activeElement?.blur();
  const said = (it) => `<${it.tagName.toLowerCase()}> ${it.ariaLabel || it.innerText || it.name || it.id}`.slice(0, 80);
  const controls = "a[href], button, input, select, textarea, summary, [tabindex]";
  const all = [...document.querySelectorAll(controls)].filter((it) =>
    it.tabIndex >= 0 && !it.disabled && it.type !== "hidden" && it.checkVisibility({ visibilityProperty: true }));
  const group = (it) => (it.type === "radio" ? it.name : it);
  const stands_out = (it) => {
    if (!it) return false;
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(it);
    return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
  };
  const reached = new Set();
  const unseen = [];
  document.addEventListener("focusin", ({ target }) => {
    for (const each of all) if (group(each) === group(target)) reached.add(each);
    const around = [target, target.parentElement, target.closest("label, form, fieldset")];
    if (target.matches(":focus-visible") && !around.some(stands_out)) unseen.push(said(target));
  });
  globalThis.tabbed = { unseen, missed: () => all.filter((it) => it.isConnected && !reached.has(it)).map(said) };
  return all.length;
}"""
