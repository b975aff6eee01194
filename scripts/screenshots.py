"""Every page of tests/browser/pages.py as pictures, of a demo with a month of traffic: `make screenshots`.

Four of each: light and dark, 1440 and 375 px wide, in .screenshots/; and sheets on which all of one form are seen at
once. `--publish` also writes the five that the documentation shows to docs/images/.
"""

import argparse
import html
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, StorageState, ViewportSize

from tests.browser.chromium import launched
from tests.browser.pages import PAGES, Listed

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / ".screenshots"
FORMS: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (1440, "light"),
    (1440, "dark"),
    (375, "light"),
    (375, "dark"),
)
HEIGHTS = {1440: 900, 375: 812}
TALLEST = 4_000
PUBLISHED = {
    "home-1440-light": "home.png",
    "overview-1440-dark": "overview.png",
    "models-model-1440-light": "model.png",
    "logs-id-1440-light": "request.png",
    "status-1440-dark": "status.png",
}
"""Picture -> its name in docs/images/: the top of it, a little smaller."""
SHOWN = (1200, 780)
SHEET = 6
"""Pictures in a row."""


@contextmanager
def demo() -> Iterator[dict[str, Any]]:
    """A demo server with its month: what it prints as JSON."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])  # the pages name it: 0 would be an address of nobody
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        words = [sys.executable, "-m", "tollway", "demo", "--traffic", "--json", "--port", port, "--data-dir", folder]
        server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None  # noqa: S101 (it was asked for)
            yield json.loads(server.stdout.readline())
        finally:
            server.terminate()
            server.wait(30)


def sign_in(page: Page, told: dict[str, Any]) -> None:
    """As the admin, by the form."""
    page.goto(f"{told['url']}/sign-in")
    page.fill("input[name=email]", told["email"])
    page.fill("input[name=password]", told["password"])
    page.click("form .btn.main")
    page.wait_for_url(f"{told['url']}/overview")


def places(page: Page, told: dict[str, Any]) -> dict[str, str]:
    """What stands in the URLs of the list, found on the site's own pages: "/logs/{generation}" on "/logs"."""
    found = {}
    for listed in PAGES:
        start, _, name = listed.at.partition("{")
        if not name or name.startswith(":"):
            continue
        page.goto(told["url"] + "/" + start.split("/")[1])
        links = page.eval_on_selector_all("a[href]", "all => all.map((each) => each.getAttribute('href'))")
        ends = [each.removeprefix(start).partition("?")[0] for each in links if each.startswith(start)]
        found[name.partition("}")[0]] = next((each for each in ends if each and "/" not in each), "none")
    return found


def take(
    browser: Browser, told: dict[str, Any], pages: Sequence[Listed], known: dict[str, str], state: StorageState
) -> None:
    """The pictures of these pages."""
    for width, scheme in FORMS:
        size = ViewportSize(width=width, height=HEIGHTS[width])
        context = browser.new_context(color_scheme=scheme, viewport=size, storage_state=state, timezone_id="UTC")
        page = context.new_page()
        stranger = browser.new_context(color_scheme=scheme, viewport=size, timezone_id="UTC").new_page()
        for listed in pages:
            seen = stranger if listed.route in ("/sign-in", "/sign-up", "/setup", "/password") else page
            url = listed.url.format_map(known) if "{" in listed.url else listed.url
            mended = url.replace("proof-person@example.com", told["email"]).replace("/providers/a", "/providers/openai")
            seen.goto(told["url"] + mended)
            seen.wait_for_timeout(350)
            tall = min(TALLEST, int(seen.evaluate("document.documentElement.scrollHeight")))
            seen.set_viewport_size({"width": width, "height": max(tall, HEIGHTS[width])})
            seen.wait_for_timeout(80)
            seen.screenshot(path=OUT / f"{listed.name}-{width}-{scheme}.png")
            seen.set_viewport_size(size)
        context.close()
        stranger.context.close()
        sys.stdout.write(f"{len(pages)} pages, {width} px, {scheme}\n")


def sheets(browser: Browser, pages: Sequence[Listed]) -> None:
    """All pages of one form, side by side."""
    page = browser.new_page(viewport={"width": 1800, "height": 1000})
    for width, scheme in FORMS:
        cells = "".join(
            f'<figure><img src="{each.name}-{width}-{scheme}.png">'
            f"<figcaption>{html.escape(each.route)}</figcaption></figure>"
            for each in pages
        )
        look = (
            f"body{{display:grid;grid-template-columns:repeat({SHEET},1fr);gap:12px;font:13px sans-serif}}"
            "figure{margin:0}img{width:100%;max-height:700px;object-fit:cover;object-position:top;"
            "border:1px solid #999}"
        )
        sheet = OUT / f"sheet-{width}-{scheme}.html"
        sheet.write_text(f"<!doctype html><style>{look}</style>{cells}", encoding="utf-8")
        page.goto(sheet.as_uri())
        page.screenshot(path=OUT / f"sheet-{width}-{scheme}.png", full_page=True)


def publish(browser: Browser) -> None:
    """The five of the documentation."""
    page = browser.new_page(viewport=ViewportSize(width=SHOWN[0], height=SHOWN[1]))
    frame = OUT / "frame.html"
    for name, target in PUBLISHED.items():
        frame.write_text(f'<body style="margin:0;overflow:hidden"><img width="{SHOWN[0]}" src="{name}.png">', "utf-8")
        page.goto(frame.as_uri())
        path = ROOT / "docs" / "images" / target
        page.screenshot(path=path)
        sys.stdout.write(f"docs/images/{target}: {path.stat().st_size // 1024} KB\n")


def main() -> int:
    """0, or an error that says what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="names of pages, as of the pictures; default: all")
    parser.add_argument("--publish", action="store_true", help="write the documentation's five")
    chosen = parser.parse_args()
    pages = [each for each in PAGES if not chosen.only or each.name in chosen.only]
    OUT.mkdir(exist_ok=True)
    with demo() as told, launched() as browser:
        context = browser.new_context()
        page = context.new_page()
        sign_in(page, told)
        known = places(page, told)
        take(browser, told, pages, known, context.storage_state())
        sheets(browser, pages)
        if chosen.publish:
            publish(browser)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
