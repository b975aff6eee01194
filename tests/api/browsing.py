"""A browser without scripts: it has a cookie, follows no redirect, and sends a page's own form."""

import re
from typing import Any
from urllib.parse import urlencode

from tests.support import Answer, World, request
from tests.web.site import Looked

BUTTON = r'(<details class="asks">)?((?:(?!</?details).)*?<button[^>]*>)'
FORM = "application/x-www-form-urlencoded"


class Browser:
    """One visitor of a world."""

    def __init__(self, world: World, headers: dict[str, str] | None = None) -> None:
        self._world = world
        self.cookie = ""
        self._headers = headers or {}

    def get(self, path: str) -> Answer:
        """A page, as by a click on another site's link."""
        return self._asked("GET", path, None, {"accept": "text/html", "sec-fetch-site": "cross-site"})

    def post(self, path: str, headers: dict[str, str] | None = None, /, **fields: Any) -> Answer:
        """A form, by default as from a page of the site. A list of values is a field that comes as often."""
        known = {"content-type": FORM, "sec-fetch-site": "same-origin"} if headers is None else headers
        return self._asked("POST", path, urlencode(fields, doseq=True).encode(), known)

    def submit(self, page: Answer, path: str, /, **fields: Any) -> Answer:
        """The page's form that goes to `path`, with the fields that it has already, but for those named here."""
        return self.post(path, **{**fields_of(page, path), **fields})

    def _asked(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        sent = {**headers, **self._headers, **({"cookie": self.cookie} if self.cookie else {})}
        answer = request(self._world.url, method, path, body, headers=sent)
        if cookie := answer.headers.get("set-cookie"):
            self.cookie = "" if "Max-Age=0" in cookie else cookie.partition(";")[0]
        return answer


def fields_of(page: Answer, path: str) -> dict[str, str]:
    """What a page's form to `path` would send: hidden and text fields, and the chosen options."""
    found: dict[str, str] = {}
    inside, chosen = False, ""
    for tag, attributes in Looked(page.text).tags:
        name, value = attributes.get("name") or "", attributes.get("value") or ""
        if tag == "form":
            inside = attributes["action"] == path
        elif inside and tag == "input":
            found[name] = value
        elif inside and tag == "select":
            chosen = name
        elif inside and tag == "option" and ("selected" in attributes or chosen not in found):
            found[chosen] = value
    return found


def asks_first(page: Answer, path: str) -> bool:
    """Whether a form of the page goes to `path`, and its button is behind a line that has to be opened first."""
    forms = re.findall(r"<form.*?</form>", page.text, re.DOTALL)
    buttons = [
        (asked, button)
        for form in forms
        for asked, button in re.findall(BUTTON, form, re.DOTALL)
        if f'formaction="{path}"' in button or (f' action="{path}"' in form and "formaction" not in button)
    ]
    assert buttons, f"nothing goes to {path}"
    return all(asked for asked, _ in buttons)
