"""`/docs`, its pages, their Markdown, `/llms.txt` and the search: with this server's address, and the reader's key."""

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from posixpath import dirname, normpath
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tollway.web.account import PRIVATE
from tollway.web.docs.library import Found, Leaf, Library
from tollway.web.docs.markdown import Heading, Leads, Rendered, render
from tollway.web.docs.reader import Reader
from tollway.web.docs.reference import reference
from tollway.web.page import nothing_here
from tollway.web.render import CONTENT_SECURITY_POLICY, Renderer, answer, root_path

DOCUMENTED = "http://127.0.0.1:8080"
"""The address that the files have; a page says the server's own."""
KEPT = ("operations.md", "configuration.md")
"""Where that address is meant: what a proxy in front of the server connects to."""
KEY = re.compile(r"(TOLLWAY_KEY=)(?:sk-or-v1-)?\.\.\.")
QUERY_MAX = 200
MARKDOWN = "text/markdown; charset=utf-8"
KINDS = {"svg": "image/svg+xml", "png": "image/png"}

REFERENCE_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY.replace(
        "trusted-types app dompurify", "trusted-types app dompurify default 'allow-duplicates'"
    )
}
"""Swagger UI gives strings where the browser wants trusted HTML: a policy by the name of "default" cleans them first.
Its copy of DOMPurify and ours make a policy of the same name each."""


class DocsView(Struct, frozen=True):
    """What `docs.html` shows."""

    leaf: Leaf
    groups: list[tuple[str, list[Leaf]]]
    html: str
    headings: tuple[Heading, ...]
    before: Leaf | None
    after: Leaf | None
    query: str = ""
    found: tuple[Found, ...] = ()
    key: str = ""


class Docs:
    """The URLs of the documentation."""

    def __init__(
        self,
        renderer: Renderer,
        public_url: str,
        reader: Reader,
        described: Callable[[], Mapping[str, Any]],
        library: Library | None = None,
    ) -> None:
        self._renderer = renderer
        self._public_url = public_url
        self._reader = reader
        self._described = cache(lambda: reference(described()))
        self._library = library or Library()
        self._rendered = lru_cache(256)(self._render)

    def routes(self) -> list[BaseRoute]:
        """The more particular first."""
        return [
            Route("/docs", self.first),
            Route("/docs/api", self.reference),
            Route("/docs/images/{name}", self.image),
            Route("/docs/{page:path}", self.page),
            Route("/llms.txt", self.llms),
        ]

    async def first(self, request: Request) -> Response:
        """`GET /docs`: the index; with `?q=` what was found."""
        query = " ".join(request.query_params.get("q", "")[:QUERY_MAX].split())
        return await self._show(request, self._library.leaves[""], query)

    async def page(self, request: Request) -> Response:
        """`GET /docs/<page>`, and `<page>.md`: the same as Markdown."""
        name = request.path_params["page"]
        leaf = self._library.get(name.removesuffix(".md"))
        if leaf is None or not leaf.slug:
            return nothing_here(self._renderer, request)
        if name.endswith(".md"):
            return answer(request, self._own(leaf).encode(), MARKDOWN)
        return await self._show(request, leaf)

    async def reference(self, request: Request) -> Response:
        """`GET /docs/api`: every operation of /openapi.json."""
        return self._renderer.page(request, "reference.html", self._described(), headers=REFERENCE_HEADERS)

    async def image(self, request: Request) -> Response:
        """`GET /docs/images/<name>`"""
        name = request.path_params["name"]
        body = self._library.image(name)
        if body is None:
            return nothing_here(self._renderer, request)
        return answer(request, body, KINDS[name.rpartition(".")[2]])

    async def llms(self, request: Request) -> Response:
        """`GET /llms.txt`: every page as Markdown, for programs that read (llmstxt.org)."""
        lines = ["# Tollway", "", "> One API in front of every model and many providers, paid from prepaid credits."]
        lines += [f"> Base URL: {self._public_url}/api/v1 (OpenAI's chat format and others)."]
        for name, leaves in self._library.groups():
            lines += ["", f"## {name}", ""]
            lines += [f"- [{each.title}]({self._public_url}/docs/{each.slug}.md): {each.about}" for each in leaves]
        lines += [
            "",
            "## Optional",
            "",
            f"- [OpenAPI]({self._public_url}/openapi.json): every URL with its schemas",
            "",
        ]
        return answer(request, "\n".join(lines).encode(), "text/plain; charset=utf-8")

    async def _show(self, request: Request, leaf: Leaf, query: str = "") -> Response:
        library, key = self._library, await self._reader(request)
        rendered = self._rendered(leaf.slug, root_path(request)) if leaf.slug else Rendered("", ())
        order = [each for _, leaves in library.groups() for each in leaves]
        place = order.index(leaf) if leaf in order else -1
        view = DocsView(
            leaf=leaf,
            groups=library.groups(),
            html=KEY.sub(rf"\g<1>{key}...", rendered.html) if key else rendered.html,
            headings=rendered.headings,
            before=order[place - 1] if place > 0 else None,
            after=order[place + 1] if 0 <= place < len(order) - 1 else None,
            query=query,
            found=tuple(library.search(query)),
            key=key,
        )
        return self._renderer.page(request, "docs.html", view, headers=PRIVATE if key else None)

    def _own(self, leaf: Leaf) -> str:
        """A page's Markdown with this server's address."""
        return leaf.text if leaf.file in KEPT else leaf.text.replace(DOCUMENTED, self._public_url)

    def _render(self, slug: str, root: str) -> Rendered:
        leaf = self._library.leaves[slug]

        def target(written: str) -> tuple[str, str]:
            path, _, anchor = written.partition("#")
            place = normpath(f"{dirname(leaf.file)}/{path}".lstrip("/")) if path else leaf.file
            return place, f"#{anchor}" if anchor else ""

        def link(written: str) -> str | None:
            if re.match(r"[a-z]+:", written):
                return written
            place, anchor = target(written)
            known = self._library.get(place.removesuffix(".md")) if place != "README.md" else self._library.leaves[""]
            if place == leaf.file or known is None:
                return anchor if place == leaf.file and anchor else None
            return f"{root}/docs/{known.slug}".rstrip("/") + anchor

        def title(written: str) -> str | None:
            known = self._library.get(target(written)[0].removesuffix(".md"))
            return known.title if known else None

        def image(written: str) -> str:
            return f"{root}/docs/images/{written.rpartition('/')[2]}"

        return render(self._own(leaf), Leads(link, image, title))
