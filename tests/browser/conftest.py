"""Browser tests: one browser a file, one context a visitor, and nothing to complain about when a test ends."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import find_chromium, launched
from tests.browser.pages import Listed
from tests.browser.town import Town, open_town
from tests.browser.visitor import USUAL, Form, Scheme, Visitor, Visits, Width
from tests.support import World
from tollway.domain.people import User


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of a file and not of the session: other tests of this process run event loops of their own."""
    with launched() as it:
        yield it


@pytest.fixture(scope="session")
def town() -> Iterator[Town]:
    """Started once in each process; tests take people and workspaces of their own."""
    find_chromium()
    with open_town() as it:
        yield it


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest) -> None:
    """Tests sign in more often than people may."""
    if "town" in request.fixturenames:
        place: Town = request.getfixturevalue("town")
        place.world.house.people.passwords._buckets._empty_at.clear()


@pytest.fixture
def form() -> Form:
    """How visitors see the site who say nothing else; `in_each_form` takes its place."""
    return USUAL


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest, form: Form) -> Iterator[Visits]:
    """Visitors of the town, or of the world that is given."""
    made: list[Visitor] = []

    def come(
        user: User | None = None,
        width: Width | None = None,
        scheme: Scheme | None = None,
        world: World | None = None,
        url: str = "",
    ) -> Visitor:
        place = world or request.getfixturevalue("town").world
        visitor = Visitor(browser, place, user, width or form.width, scheme or form.scheme, url)
        made.append(visitor)
        return visitor

    yield come
    told = [each for visitor in made for each in visitor.watch.complaints()]
    for visitor in made:
        visitor.context.close()
    assert told == []


@pytest.fixture(scope="session")
def where(town: Town) -> Callable[[Listed], tuple[str, User | None]]:
    """A page of the list -> its URL here, and who opens it."""
    known = town.places()

    def find(listed: Listed) -> tuple[str, User | None]:
        user = {"anyone": None, "person": town.admin, "admin": town.admin}[listed.who]
        return listed.url.format_map(known) if "{" in listed.url else listed.url, user

    return find
