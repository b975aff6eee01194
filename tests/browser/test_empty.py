"""Every page where there is nothing yet: no error, and what is empty teaches what to do."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.examine import placeholders, settle
from tests.browser.pages import PAGES, Who
from tests.browser.visitor import Visits
from tests.support import World, world
from tollway.domain.people import Role, User

NEEDS_A_QUERY = {"/auth", "/admin/prices/endpoint"}
"""Without one they say what is missing, with a status of their own."""
PLAIN = tuple(each for each in PAGES if "{" not in each.route and each.route not in NEEDS_A_QUERY)
"""Pages that are there before anything else is: none that shows one thing of many."""

SILENT = """() => {
  const teaches = (it) => it.querySelector("a[href], button, code, pre, input")
    || it.closest("section, main, form")?.querySelector("form, .head code");
  const said = (it) => it.innerText.trim().slice(0, 80);
  const empty = [...document.querySelectorAll(".empty")].filter((it) => !teaches(it))
    .map((it) => `teaches nothing: ${said(it)}`);
  const bare = [...document.querySelectorAll("main table tbody")].filter((it) => !it.rows.length)
    .map((it) => `a table without rows: ${said(it.closest("table"))}`);
  return [...empty, ...bare];
}"""


@pytest.fixture(scope="module")
def bare() -> Iterator[World]:
    """A server on its first day: no provider, no model, nobody but who looks."""
    with world() as it:
        yield it


@pytest.mark.parametrize("who", ["anyone", "person", "admin"])
def test_nothing_is_there_yet(bare: World, visit: Visits, who: Who) -> None:
    """As a stranger, as a fresh account, as a fresh admin: each page that they may see."""
    users: dict[Who, User | None] = {
        "anyone": None,
        "person": bare.new_user("empty-person", Role.OWNER, "empty-place") if who == "person" else None,
        "admin": bare.new_user("empty-admin", Role.OWNER, "empty-admin", admin=True) if who == "admin" else None,
    }
    visitor = visit(users[who], world=bare)
    found = []
    for listed in PLAIN:
        if listed.who == who or (listed.who == "anyone" and who == "person"):
            page = visitor.open(listed.route)
            found += [f"{listed.route}: {each}" for each in faults(page)]
    assert "\n".join(found) == ""


def faults(page: Page) -> list[str]:
    """What a newcomer would stumble over on a page that was just opened."""
    settle(page)
    return [*(str(each) for each in page.evaluate(SILENT)), *(f"says {each!r}" for each in placeholders(page))]
