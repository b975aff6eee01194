"""Every page of the list, wide and narrow, light and dark: nobody is hindered, nothing overflows, moves or breaks."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from starlette.routing import Route

from tests.browser.examine import SHIFT_MAX, overflow, placeholders, settle, shift, violations, weight
from tests.browser.pages import NOT_PAGES, PAGES, Listed
from tests.browser.town import Town
from tests.browser.visitor import FORMS, USUAL, Visits
from tollway.app import site_routes
from tollway.domain.people import User
from tollway.gateway.workspace_desk import ChangedWorkspace
from tollway.identity.actors import OPERATOR

SHIFT_TRIES = 3


def test_no_page_is_left_out(town: Town) -> None:
    """A route of the site that a browser can open is in the list, or it is said what else it is."""
    routes = {
        each.path for each in site_routes(town.world.house) if isinstance(each, Route) and "GET" in (each.methods or ())
    }
    listed = {each.route for each in PAGES}
    data = {path for path in routes if path.removesuffix(".csv").removesuffix(".json") in listed and "." in path}
    assert sorted(routes - listed - data - NOT_PAGES.keys()) == [], "add them to tests/browser/pages.py"
    assert sorted((listed | NOT_PAGES.keys()) - routes - {"/{path:path}"}) == [], "these are gone"
    assert len({each.name for each in PAGES}) == len(PAGES)


@pytest.mark.forms
@pytest.mark.parametrize("listed", [pytest.param(each, id=each.name) for each in PAGES])
def test_page(town: Town, visit: Visits, where: Callable[[Listed], tuple[str, User | None]], listed: Listed) -> None:
    """At 1440 px, then anew at 375 px: all rules of axe-core in every form."""
    url, user = where(listed)
    visitor = visit(user)
    page = visitor.open(url, listed.status)
    found = [f"says {each!r}" for each in placeholders(page)]
    if sum((sizes := weight(page)).values()) > listed.weight_max:
        found.append(f"weighs {sizes}")
    for form in FORMS:
        visitor.show(form.width, form.scheme)
        if form is not USUAL:
            page.reload()
        found += [f"{form.name}: {each}" for each in moves_or_overflows(page)]
        found += [f"{form.name}: {each}" for each in violations(page) if not each.startswith(listed.spared)]
    assert found == []


@pytest.mark.forms
def test_the_page_for_who_was_second(town: Town, visit: Visits) -> None:
    """What stands in place of a form that would have undone somebody else's change: one is led to it by a 409 alone."""
    user = town.newcomer("second-of-two")
    visitor = visit(user)
    page = visitor.open("/workspace")
    change = town.world.house.workspaces.change
    by_another = ChangedWorkspace(name="By the first")
    town.world.run(change(OPERATOR, "second-of-two", by_another, town.world.house.gateway.now_ms()))
    visitor.watch.expect(r"status of 409")
    page.locator('form[action="/workspace/name"] button').click()
    visitor.sees("Somebody was quicker")
    found = []
    for form in FORMS:
        visitor.show(form.width, form.scheme)
        settle(page)
        found += [f"{form.name}: {each}" for each in (*overflow(page), *violations(page))]
    assert found == []


def moves_or_overflows(page: Page) -> list[str]:
    """Of a page that was just opened. What moves by itself moves each time; a browser that has to wait for a busy
    machine in the middle of a table lays its first half out alone, and sometimes only."""
    settle(page)
    moved = shift(page)
    for _ in range(SHIFT_TRIES):
        if moved <= SHIFT_MAX:
            break
        page.reload()
        settle(page)
        moved = min(moved, shift(page))
    return [
        *([f"shifts by {moved:.2f}"] if moved > SHIFT_MAX else []),
        *(f"overflows: {each}" for each in overflow(page)),
    ]
