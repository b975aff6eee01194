"""What is looked for on a page: what axe-core finds, overflow, shifts, weight, words that no reader should see."""

import re
from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

SERIOUS = {"serious", "critical"}
SHIFT_MAX = 0.02
"""A fifth of what is called good on the web (web.dev, "Cumulative Layout Shift")."""
PLACEHOLDERS = (
    r"\{\{|\{%|\}\}",
    r"\bTO[D]O\b|\bFIX[M]E\b",
    r"(?i)\blorem\b",
    r"\bundefined\b",
    r"\bNaN\b",
    r"\[object \w+\]",
    r"(?<![\w“\"'])None(?![\w”\"'])(?! of| was| is| are)",
)
"""A Python None or a JavaScript undefined that reached the page, and text that was to be replaced."""


@cache
def axe_core() -> str:
    """The script, out of the package that carries it."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


def settle(page: Page) -> None:
    """Returns when the page has loaded, its modules have run and what they did is painted."""
    page.wait_for_load_state("load")
    page.evaluate(PAINTED)


def violations(page: Page, *rules: str) -> list[str]:
    """Serious and critical ones; only these rules if some are named. Long tables are cut: their rows are alike."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe_core())
        page.evaluate(THIN)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{each['id']} ({each['impact']}): {each['help']}: " + " | ".join(_about(node) for node in each["nodes"][:4])
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]


def _about(node: dict[str, Any]) -> str:
    """Where it is, and the figures, as of a contrast."""
    said = [each["message"] for each in node["any"][:1]]
    return " ".join([str(node["target"]), *said])


def overflow(page: Page) -> list[str]:
    """Elements that make the page wider than its window; what scrolls inside an element of its own does not."""
    return [str(each) for each in page.evaluate(TOO_WIDE)]


def shift(page: Page) -> float:
    """Cumulative layout shift since the page was opened."""
    return float(page.evaluate("globalThis.shifted"))


def weight(page: Page) -> dict[str, int]:
    """Bytes as they travelled, of the page and of its CSS and JavaScript, by path."""
    return {str(name): int(size) for name, size in page.evaluate(WEIGHT)}


def placeholders(page: Page) -> list[str]:
    """Lines of visible text that say what only a program says."""
    lines = [page.title(), *str(page.evaluate(VISIBLE)).splitlines()]
    return [line.strip()[:120] for line in lines if any(re.search(one, line) for one in PLACEHOLDERS)]


PAINTED = """() => new Promise((done) =>
  requestIdleCallback(() => requestAnimationFrame(() => requestAnimationFrame(done)), { timeout: 2000 }))"""

THIN = """() => {
  for (const list of document.querySelectorAll("tbody, ul, ol, datalist, select, .operation-tag-content"))
    for (const each of [...list.children].slice(12)) each.remove();
}"""

TOO_WIDE = """() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  const clipped = (it) => {
    for (let up = it.parentElement; up && up !== document.body; up = up.parentElement)
      if (getComputedStyle(up).overflowX !== "visible") return true;
    return false;
  };
  return [...document.body.querySelectorAll("*")]
    .filter((it) => it.getBoundingClientRect().right > room + 0.5 && !clipped(it))
    .slice(0, 5)
    .map((it) => `<${it.tagName.toLowerCase()} class="${it.className}"> ${it.textContent.trim().slice(0, 40)}`);
}"""

WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter((it) => it.entryType === "navigation" || /\\.(css|m?js)$/.test(new URL(it.name).pathname))
  .map((it) => [new URL(it.name).pathname, it.encodedBodySize])"""

VISIBLE = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const lines = [];
  for (let it = walker.nextNode(); it; it = walker.nextNode()) {
    const around = it.parentElement;
    if (it.textContent.trim() && around.checkVisibility() && !around.closest("pre, code, script, textarea"))
      lines.push(it.textContent.trim());
  }
  return lines.join("\\n");
}"""
