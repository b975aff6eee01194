"""`/docs`: every page, link and image of it, the Markdown, the search, and samples with one's own address and key."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from tests.web.site import BROWSER, PUBLIC_URL, Looked, app_of, full_market, get, look
from tollway.web.assets import Assets
from tollway.web.docs.library import GROUPS, Library, folder
from tollway.web.docs.markdown import Leads, render
from tollway.web.docs.pages import Docs
from tollway.web.render import CONTENT_SECURITY_POLICY, Renderer

ROOT = Path(__file__).resolve().parent.parent.parent
LIBRARY = Library()
APP = app_of(full_market())
PAGES = ["/docs", *(f"/docs/{slug}" for slug in LIBRARY.leaves if slug)]


@pytest.fixture(scope="module")
def pages() -> dict[str, Looked]:
    """Every page of the documentation, as a browser has it."""
    return {path: Looked(answer.text) for path, answer in zip(PAGES, get(APP, *PAGES), strict=True)}


def test_every_file_is_a_page() -> None:
    """Each Markdown file of docs/ is in one group of the index, with its title and what it is for; none is missing."""
    stems = [stem for _, group in GROUPS for stem in group]
    assert len(stems) == len(set(stems))
    assert set(stems) == {path.stem for path in folder().glob("*.md")} - {"README"} | {"decisions"}
    for leaf in LIBRARY.leaves.values():
        assert leaf.title, leaf.file
        assert leaf.about or not leaf.slug or leaf.slug.startswith("decisions/"), leaf.file


def test_the_pages_come_in_the_wheel() -> None:
    """The wheel puts docs/ where the library looks first."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"]["docs"] == "tollway/documentation"
    assert folder() == ROOT / "docs"


def test_every_link_and_image_resolves(pages: dict[str, Looked]) -> None:
    """Whatever a page of the documentation leads to is there: pages, headings, images, files."""
    ids = {path: {str(tag.get("id")) for _, tag in page.tags} for path, page in pages.items()}
    seen = 0
    others: set[str] = set()
    for path, page in pages.items():
        for _, tag in page.tags:
            target = tag.get("href") or tag.get("src") or ""
            name, _, anchor = target.partition("#")
            if name.startswith(("https://", "http://")):
                assert tag.get("rel") == "noopener noreferrer external", (path, target)
                continue
            place = name or path
            if place in ids:
                assert not anchor or anchor in ids[place] or anchor.startswith("i-"), (path, target)
                seen += bool(anchor)
            elif name:
                others.add(name)
    assert seen > 500
    assert "/docs/images/balancing.svg" in others
    missing = {str(answer.url) for answer in get(APP, *sorted(others)) if answer.status_code != 200}
    assert not missing


def test_below_a_path() -> None:
    """Where the site is mounted below a path, every link and image of a page is below it."""
    app = app_of(full_market(), root="/router/here")
    for path in ("/docs", "/docs/balancing", "/docs/decisions", "/docs?q=money"):
        [answer] = get(app, f"/router/here{path}")
        urls = {url for url in Looked(answer.text).urls() if "://" not in url}
        assert all(url.startswith("/router/here/") for url in urls), urls


def test_nothing_is_inline(pages: dict[str, Looked]) -> None:
    """No style, script or handler, which the policy would refuse; one title; no comment of Markdown is left over."""
    for path, page in pages.items():
        for tag, attributes in page.tags:
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
            assert not [name for name in attributes if name == "style" or name.startswith("on")], path
        assert len(page.all("h1")) == 1, path
        assert "<!--" not in "".join("".join(row) for row in page.rows), path


def test_a_page_is_its_markdown() -> None:
    """Headings with names, tables that scroll, code to be copied; `.md` gives the file with the server's address."""
    app = APP
    [html, markdown, old_name] = get(app, "/docs/clients", "/docs/clients.md", "/docs/http-api.md")
    assert '<h3 id="claude-code">' in html.text
    assert 'role="region" aria-label="Table"><table class="plain">' in html.text
    assert '<x-copy data-from="block-1"' in html.text
    assert f"export TOLLWAY_URL={PUBLIC_URL}" in html.text
    assert "127.0.0.1:8080" not in html.text
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.text == (ROOT / "docs/clients.md").read_text().replace("http://127.0.0.1:8080", PUBLIC_URL)
    assert old_name.text.startswith("# The API\n")
    [proxied] = get(app, "/docs/operations")
    assert "proxy_pass http://127.0.0.1:8080;" in proxied.text


def test_a_reader_sees_the_own_key() -> None:
    """Samples name the beginning of the reader's key; such a page is kept by no cache. A stranger's has dots."""
    assets = Assets.of_package()

    async def reader(request: Request) -> str:
        return "sk-or-v1-abc" if "cookie" in request.headers else ""

    app = Starlette(routes=Docs(Renderer(assets), PUBLIC_URL, reader, dict).routes())
    [strange] = get(app, "/docs/clients")
    [own] = get(app, "/docs/clients", headers={**BROWSER, "cookie": "session=x"})
    assert "TOLLWAY_KEY=...\n" in strange.text
    assert "TOLLWAY_KEY=sk-or-v1-abc...\n" in own.text
    assert (strange.headers["cache-control"], own.headers["cache-control"]) == ("no-cache", "no-store")


def test_links_that_lead_out_stay_text() -> None:
    """A file of the repository is not served here: its name stays, its link goes. A file's name becomes a title."""
    leads = Leads(lambda target: None if target.startswith("..") else "/x", lambda target: target, lambda _: "Title")
    page = render('[*a* b](../b.md) [c.md](c.md) <b onclick="x()">no</b> <!-- away -->', leads)
    assert page.html == ('<p><em>a</em> b <a href="/x">Title</a> &lt;b onclick=&quot;x()&quot;&gt;no&lt;/b&gt; </p>\n')


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("prepaid hold", "/docs/money"),
        ("claude code", "/docs/clients#claude-code"),
        ("retry-after 429", "/docs/errors"),
    ],
)
def test_search(query: str, first: str) -> None:
    """Sections that have every word, the best first, with the words around; each leads to a heading that is there."""
    app = APP
    page = look(app, f"/docs?q={query}")
    hits = [tag["href"] or "" for tag in page.all("a") if "#" in (tag["href"] or "") or tag.get("href", "") == first]
    hits = [hit for hit in hits if hit not in ("#content", "/docs/clients#coding-agents")]
    assert any(hit.startswith(first) for hit in hits[:3]), hits
    for hit in hits:
        path, _, anchor = hit.partition("#")
        assert not anchor or anchor in {tag.get("id") for _, tag in look(app, path).tags}


@pytest.mark.parametrize("query", ["zzzyx", "%00", "<script>alert(1)</script>", "a" * 5000, "* [ ( \\"])
def test_a_search_that_finds_nothing(query: str) -> None:
    """Says so and what to try; whatever was typed stays text."""
    [response] = get(APP, f"/docs?q={query}")
    assert response.status_code == 200
    assert "<script>alert" not in response.text
    assert 'placeholder="Search the docs"' in response.text


@pytest.mark.parametrize(
    "path", ["/docs/none", "/docs/../pyproject.toml", "/docs/images/none.svg", "/docs/.md", "/docs/%2e%2e/x"]
)
def test_what_is_not_there(path: str) -> None:
    """404, as a page."""
    [response] = get(APP, path)
    assert response.status_code == 404


def test_llms_lists_every_page() -> None:
    """Every page of the index, as an absolute address that answers with Markdown."""
    app = APP
    [listed] = get(app, "/llms.txt")
    urls = re.findall(r"\]\((\S+\.md)\)", listed.text)
    assert len(urls) == sum(len(group) for _, group in GROUPS)
    for answer in get(app, *(url.removeprefix(PUBLIC_URL) for url in urls)):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
        assert answer.text.startswith("# ")


def test_the_samples_of_the_pages_are_programs() -> None:
    """Every block of Python parses."""
    seen = 0
    for leaf in LIBRARY.leaves.values():
        for block in re.findall(r"^```python\n(.*?)^```", leaf.text, re.MULTILINE | re.DOTALL):
            ast.parse(block.replace("\n   ", "\n   "))
            seen += 1
    assert seen > 10


def test_the_first_page_teaches() -> None:
    """Every group with its pages, and where to begin."""
    page = look(APP, "/docs")
    text = Looked("".join(get(APP, "/docs")[0].text))
    assert {"/docs/clients", "/docs/errors", "/docs/mcp", "/docs/money", "/docs/routing"} <= page.urls()
    assert text.all("input")[0]["name"] == "q"


def test_the_reference_is_a_list_without_scripts() -> None:
    """Every operation with its method, what it does and the credential that it wants, by family; nothing is inline."""
    page = look(APP, "/docs/api")
    cells = [[cell.strip() for cell in row] for row in page.rows if row[0].strip() != "Method"]
    assert cells == [
        ["POST", "/api/v1/chat/completions", "Chat <b>", "key"],
        ["GET", "/health", "Whether it works", "none"],
    ]
    assert all(tag.get("src") for tag in page.all("script"))
    [element] = page.all("x-reference")
    assert element == {"data-spec": "/openapi.json", "data-root": ""}
    [answer] = get(APP, "/docs/api")
    policy = answer.headers["content-security-policy"]
    assert policy == CONTENT_SECURITY_POLICY + " default 'allow-duplicates'"
