"""Somebody in front of a browser: a context of its own, a width, light or dark, and who is signed in."""

import os
import re
from collections.abc import Callable
from typing import Literal

import pytest
from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.watch import Watch
from tests.support import World
from tollway.domain.people import User

Width = Literal[375, 1440]
Scheme = Literal["light", "dark"]
HEIGHTS = {375: 812, 1440: 1000}


class Form(Struct, frozen=True):
    """How somebody sees the site."""

    width: Width
    scheme: Scheme

    @property
    def name(self) -> str:
        """Fit for a name of somebody, so that each form has people of its own."""
        return f"{self.width}-{self.scheme}"


USUAL = Form(1440, "light")
OPPOSITE = (USUAL, Form(375, "dark"))
"""Between them each width and each scheme."""
OTHERS = (Form(1440, "dark"), Form(375, "light"))
FORMS = OTHERS if os.environ.get("FORMS") == "others" else OPPOSITE
"""The forms of this run: `make test` takes two, `make test-forms` the other two."""


def in_each_form(test: Callable[..., None]) -> Callable[..., None]:
    """A test that walks a journey in each of `FORMS`, by way of the fixture `form`: its visitors have that form."""
    walked: Callable[..., None] = pytest.mark.parametrize("form", FORMS, ids=[each.name for each in FORMS])(test)
    marked: Callable[..., None] = pytest.mark.forms(walked)
    return marked


PATIENCE_MS = 15_000
"""The machine may be busy; what does not come by then does not come."""

expect.set_options(timeout=PATIENCE_MS)


class Visitor:
    """A page, and what is to complain of it. `page` is playwright's own; the rest are short words for tests."""

    def __init__(
        self, browser: Browser, world: World, user: User | None, width: Width, scheme: Scheme, url: str = ""
    ) -> None:
        """`url`: the world's address by another name, such as `localhost`."""
        self.world = world
        self.width = width
        self._url = url or world.url
        self.context: BrowserContext = browser.new_context(
            base_url=self._url,
            viewport={"width": width, "height": HEIGHTS[width]},
            color_scheme=scheme,
            locale="en-US",
            timezone_id="UTC",
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self._url)
        self.watch = Watch(self.context, (self._url,))
        if user is not None:
            self.sign_in(user)
        self.page: Page = self.context.new_page()

    def sign_in(self, user: User) -> None:
        """A session of this user, without the form."""
        name, _, value = self.world.signed_in(user)["cookie"].partition("=")
        self.context.add_cookies([{"name": name, "value": value, "url": self._url}])

    def open(self, path: str, status: int = 200) -> Page:
        """The page at this path, which must answer with this status."""
        if status >= 400:
            self.watch.expect(rf"status of {status}")
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == status, f"{path}: {answer.status}"
        return self.page

    def show(self, width: Width, scheme: Scheme) -> None:
        """The same page in another form."""
        self.width = width
        self.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        self.page.emulate_media(color_scheme=scheme)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def field(self, label: str) -> Locator:
        """The field whose label begins so; a hint may follow it."""
        return self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}"))

    def enter(self, button: str, fields: dict[str, str]) -> None:
        """Fills the fields of a form by their labels, and sends it."""
        for label, value in fields.items():
            self.field(label).fill(value)
        self.button(button).click()

    def sees(self, text: str) -> None:
        """This text is on the page, or comes."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def tab_to(self, name: str, most: int = 150) -> None:
        """Tab until what is called so is focused; each stop on the way must show that it is."""
        for _ in range(most):
            self.press("Tab")
            assert self.page.evaluate(OUTLINED), f"the focus on {self.focused()!r} is not seen"
            if self.focused().startswith(name):
                return
        raise AssertionError(f"Tab does not reach {name!r}")

    def type_into(self, name: str, text: str) -> None:
        """The field of this name, reached by Tab; what was in it is typed over."""
        self.tab_to(name)
        self.press("Control+a")
        self.page.keyboard.type(text)

    def press_on(self, name: str, key: str = "Enter") -> None:
        """The button or link of this name, reached by Tab."""
        self.tab_to(name)
        self.press(key)

    def press(self, *keys: str) -> None:
        """Keys of the keyboard, in turn."""
        for key in keys:
            self.page.keyboard.press(key)

    def focused(self) -> str:
        """What the focused element is called, by its label or text."""
        return str(self.page.evaluate(FOCUSED))

    def copied(self) -> str:
        """What is in the clipboard."""
        return str(self.page.evaluate("navigator.clipboard.readText()"))


FOCUSED = """() => {
  const it = document.activeElement;
  if (!it || it === document.body) return "";
  const label = it.getAttribute("aria-label") || (it.labels && [...it.labels].map((each) => each.innerText).join(" "));
  return (label || it.innerText || it.getAttribute("name") || it.tagName).trim();
}"""

OUTLINED = """() => {
  const it = document.activeElement;
  if (!it || it === document.body || it.type === "date") return true; // a date has stops inside that the browser marks
  const shows = (each) => {
    if (!each) return false;
    const style = getComputedStyle(each);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  };
  return [it, it.parentElement, it.closest("label, form, fieldset")].some(shows);
}"""

Visits = Callable[..., Visitor]
"""`visit(user=None, width=None, scheme=None)`: a visitor whose complaints must be none when the test ends."""
