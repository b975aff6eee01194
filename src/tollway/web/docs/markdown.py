"""Markdown of the documentation -> HTML that the site's own policy allows, its links and images led to the site."""

from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tollway.web.docs.library import anchor_of

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

CONTENTS_LEVELS = ("h2", "h3")
LANGUAGES = {"sh": "shell", "js": "JavaScript", "python": "Python", "json": "JSON", "toml": "TOML", "yaml": "YAML"}


class Heading(Struct, frozen=True):
    """A line of the table of contents."""

    level: int
    anchor: str
    text: str


class Rendered(Struct, frozen=True):
    """A page's HTML, and its headings of the second and third level."""

    html: str
    headings: tuple[Heading, ...]


class Leads(Struct, frozen=True):
    """Where links of a page lead."""

    link: Callable[[str], str | None]
    """A target as written -> a URL; None: it is not served here, and stays plain text."""
    image: Callable[[str], str]
    title: Callable[[str], str | None]
    """A target -> its page's title, for links whose text is a file's name."""


def render(markdown: str, leads: Leads) -> Rendered:
    """A whole page. Only comments of HTML are dropped; other HTML would be shown as it is written."""
    parser = _parser()
    tokens = parser.parse(markdown)
    headings = _named(tokens)
    for token in tokens:
        for child in token.children or ():
            if child.type == "image":
                child.attrs["src"] = leads.image(str(child.attrs["src"]))
                child.attrs["loading"] = "lazy"
        if token.children:
            token.children = _linked(token.children, leads)
        _styles_to_classes(token)
    return Rendered(parser.renderer.render(tokens, parser.options, {}), tuple(headings))


def _parser() -> "MarkdownIt":
    # Read late: `tollway --help` has no use for it.
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.renderer.rules.update(  # type: ignore[attr-defined]  # the protocol of renderers leaves it out
        fence=_fence,
        code_block=_fence,
        html_block=_html,
        html_inline=_html,
        table_open=_table_open,
        table_close=_table_close,
        heading_close=_heading_close,
    )
    return parser


def _named(tokens: Sequence["Token"]) -> list[Heading]:
    """Gives each heading its name, as GitHub does: a second one of the same words gets "-1"."""
    seen: dict[str, int] = {}
    headings = []
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        anchor = anchor_of(inline.content)
        number = seen[anchor] = seen.get(anchor, -1) + 1
        opening.attrs["id"] = anchor = f"{anchor}-{number}" if number else anchor
        opening.meta["anchor"] = anchor
        if opening.tag in CONTENTS_LEVELS:
            text = "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))
            headings.append(Heading(int(opening.tag[1]), anchor, text))
    return headings


def _linked(children: Sequence["Token"], leads: Leads) -> list["Token"]:
    """Links led to the site; those that lead nowhere here lose their link and keep their text."""
    kept: list[Token] = []
    dropped = 0
    for place, child in enumerate(children):
        if child.type == "link_open":
            target = str(child.attrs["href"])
            url = leads.link(target)
            if url is None:
                dropped += 1
                continue
            child.attrs["href"] = url
            if "://" in url:
                child.attrs["rel"] = "noopener noreferrer external"
            text = children[place + 1]
            if text.type == "text" and text.content == target and (title := leads.title(target)):
                text.content = title
        elif child.type == "link_close" and dropped:
            dropped -= 1
            continue
        kept.append(child)
    return kept


def _styles_to_classes(token: "Token") -> None:
    """A column's alignment is an inline style, which the policy forbids; a class says the same."""
    style = str(token.attrs.pop("style", ""))
    if "right" in style:
        token.attrs["class"] = "num"


def _fence(tokens: Sequence["Token"], index: int, options: Any, env: dict[str, int]) -> str:
    """A block of code with a button that copies it."""
    token = tokens[index]
    env["blocks"] = number = env.get("blocks", 0) + 1
    word = LANGUAGES.get(token.info.strip(), token.info.strip())
    label = f"Code in {word}" if word else "Code"
    return (
        f'<div class="panel code"><x-copy data-from="block-{number}" data-label="Copy this block"></x-copy>'
        f'<pre tabindex="0" aria-label="{escape(label)}">'
        f'<code id="block-{number}">{escape(token.content)}</code></pre></div>\n'
    )


def _html(tokens: Sequence["Token"], index: int, options: Any, env: Any) -> str:
    content = tokens[index].content
    return "" if content.lstrip().startswith("<!--") else escape(content)


def _table_open(tokens: Sequence["Token"], index: int, options: Any, env: Any) -> str:
    return '<div class="tablewrap scroll" tabindex="0" role="region" aria-label="Table"><table class="plain">\n'


def _table_close(tokens: Sequence["Token"], index: int, options: Any, env: Any) -> str:
    return "</table></div>\n"


def _heading_close(tokens: Sequence["Token"], index: int, options: Any, env: Any) -> str:
    opening = tokens[index - 2]
    anchor = escape(str(opening.meta.get("anchor", "")))
    if tokens[index].tag == "h1":
        return "</h1>\n"
    return f' <a class="anchor" href="#{anchor}" aria-label="Link to this section">#</a></{tokens[index].tag}>\n'
