"""The tables of a page as files beside it: the page is made as for a browser, and its tables are read from it.

So a file holds what the page shows, to whom it shows it. Pages with long or exact data have files of their own making.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from html.parser import HTMLParser
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tollway.domain.errors import Forbidden, Unauthenticated
from tollway.web.account import form_routes
from tollway.web.data import Kind, Sheet, as_file
from tollway.web.render import TABLED, Renderer

_SILENT = frozenset({"form", "button", "select", "svg", "script", "style", "x-copy", "textarea"})
"""What stands in a cell to be used, and not to be read."""
_VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr", "use", "path", "rect", "circle"})


def table_routes(renderer: Renderer, pages: Sequence[BaseRoute]) -> list[BaseRoute]:
    """`.csv` and `.json` of those of the pages that TABLED names, where they have none; to stand before them."""
    taken = {page.path for page in pages if isinstance(page, Route)}
    shown = {page.path: page.endpoint for page in pages if isinstance(page, Route) and "GET" in (page.methods or ())}
    lines = []
    for path in TABLED:
        if path in shown:
            lines += [
                (f"{path}.{kind}", "GET", _file(shown[path], kind))
                for kind in ("csv", "json")
                if f"{path}.{kind}" not in taken
            ]
    return form_routes(renderer, tuple(lines))


def _file(page: Callable[[Request], Awaitable[Response]], kind: Any) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        asked = as_browser(request, kind)
        answer = await page(asked)
        if answer.status_code == 303:
            raise Unauthenticated("Sign in first, then ask for this file again.")
        if answer.status_code != 200:
            return answer
        if getattr(asked.state, "confirming", False):
            raise Forbidden("Confirm that it is you: open the page, then ask for this file again.")
        name = asked.url.path.strip("/").replace("/", "-")
        sheet = sheet_of(name, bytes(answer.body).decode())
        return as_file(request, kind, sheet, {"cache-control": answer.headers["cache-control"]})

    return endpoint


def as_browser(request: Request, kind: Kind) -> Request:
    """The same request for the page: whole and plain."""
    scope = dict(request.scope)
    scope["path"] = request.scope["path"].removesuffix(f".{kind}")
    scope["raw_path"] = scope["path"].encode()
    headers = MutableHeaders(raw=list(request.scope["headers"]))
    for name in ("accept-encoding", "if-none-match"):
        del headers[name]
    scope["headers"] = headers.raw
    return Request(scope, request.receive)


def sheet_of(name: str, html: str) -> Sheet:
    """Every table of a page as one: the title above it, and a column for each title of a column."""
    tables = Tables(html).found
    columns = list(dict.fromkeys(column for _, columns, _ in tables for column in columns))
    rows = [
        (title, *(dict(zip(titles, row, strict=False)).get(column, "") for column in columns))
        for title, titles, body in tables
        for row in body
    ]
    return Sheet(name, ("table", *columns), rows)


class Tables(HTMLParser):
    """The tables of a page: the heading above each, its columns, and its rows, as a reader sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str], list[list[str]]]] = []
        self._heading = ""
        self._silent = 0
        self._text: list[str] | None = None
        self._row: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self._open.append(tag)
        self._silent += tag in _SILENT
        if tag == "table":
            self.found.append((self._heading, [], []))
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th", "h1", "h2", "h3", "caption"):
            self._text = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Drawn, not read."""

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID or not self._open:
            return
        self._open.pop()
        self._silent -= tag in _SILENT
        if tag in ("h1", "h2", "h3"):
            self._heading = self._said()
        elif tag == "caption":
            self._said()
        elif tag in ("td", "th") and self.found:
            self._row.append(self._said())
        elif tag == "tr" and self.found:
            title, columns, rows = self.found[-1]
            if "thead" in self._open and not columns:
                columns += [word or f"column {place}" for place, word in enumerate(self._row, 1)]
            elif self._row and columns:
                rows.append(self._row)
            elif self._row:
                self.found[-1] = (title, [f"column {place}" for place in range(1, len(self._row) + 1)], [self._row])

    def handle_data(self, data: str) -> None:
        if self._text is not None and not self._silent:
            self._text.append(data)

    def _said(self) -> str:
        text, self._text = " ".join(self._text or ()), None
        return re.sub(r"\s+", " ", text).strip()
