"""The pages of the documentation as they came in the package: their order, their titles, and what is found in them."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

FENCE = re.compile(r"^```\w*\n.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
ROW = re.compile(r"^\| \[[^\]]*\]\(([^)]+)\) \| (.*) \|$", re.MULTILINE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
FOUND_MAX = 40
WORDS_MAX = 12
SNIPPET = 220

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Use it", ("clients", "api", "chat", "errors", "mcp", "presets", "privacy", "passkeys", "limits")),
    ("How it routes", ("routing", "balancing", "auto", "cpen", "normalisation", "score")),
    ("Money", ("money", "alerts", "byok", "platform")),
    ("Run it", ("providers", "configuration", "operations", "catalog", "simulator")),
    ("For developers", ("architecture", "pages", "glossary", "decisions", "sources", "why")),
)
"""The index, in its order. A file that is in no group fails a test."""
SLUGS = {"api": "http-api"}
"""Files whose page has another name: `/docs/api` is the reference that is made from /openapi.json."""


class Section(Struct, frozen=True):
    """A heading and the text below it, as plain words."""

    anchor: str
    """"" for what stands before the first heading of the second level."""
    heading: str
    text: str


class Leaf(Struct, frozen=True):
    """One page."""

    slug: str
    """As in its URL: `clients`, `decisions/0001-...`; "" is the first page."""
    file: str
    """Below docs/: `clients.md`."""
    title: str
    about: str
    """When one wants it, in a clause; "" if the index does not say."""
    text: str
    """Markdown."""


class Found(Struct, frozen=True):
    """A section that has every word of a search."""

    slug: str
    title: str
    anchor: str
    heading: str
    before: str
    match: str
    after: str
    """The words around the first that was found; `match` is the word itself."""


def folder() -> Path:
    """Where the pages are: in the package, or in the checkout beside src/."""
    packed = Path(str(files("tollway"))) / "documentation"
    return packed if packed.is_dir() else Path(__file__).resolve().parents[4] / "docs"


def plain(markdown: str) -> str:
    """Words without the marks: links become their text, code loses its ticks."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return re.sub(r"[`*|]+|^[-:| ]+$", " ", text, flags=re.MULTILINE)


def anchor_of(heading: str) -> str:
    """A heading's name in links, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", plain_heading(heading).lower()).replace(" ", "-")


def plain_heading(heading: str) -> str:
    """A heading without marks, white space kept."""
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("**", "").strip()


class Library:
    """Every page, read when one is first asked for and kept: they change only with the package."""

    def __init__(self, where: Path | None = None) -> None:
        self._where = where
        self._leaves: dict[str, Leaf] | None = None
        self._sections: dict[str, tuple[Section, ...]] = {}

    @property
    def where(self) -> Path:
        """The folder of the files."""
        return self._where or folder()

    @property
    def leaves(self) -> dict[str, Leaf]:
        """By slug, in the order of the index; single decisions stand last."""
        if self._leaves is None:
            self._leaves = {leaf.slug: leaf for leaf in self._read()}
        return self._leaves

    def get(self, slug: str) -> Leaf | None:
        """A page by its slug, or by its file's name without `.md`."""
        return self.leaves.get(SLUGS.get(slug, slug))

    def groups(self) -> list[tuple[str, list[Leaf]]]:
        """The index: every group with its pages."""
        return [(name, [self.leaves[SLUGS.get(stem, stem)] for stem in stems]) for name, stems in GROUPS]

    def image(self, name: str) -> bytes | None:
        """An image of the pages, by its file's name."""
        known = {path.name: path for path in (self.where / "images").iterdir()}
        return known[name].read_bytes() if name in known else None

    def search(self, query: str) -> list[Found]:
        """Sections that have every word, the best first: words of a title and of a heading weigh more."""
        words = [word.casefold() for word in query.split()[:WORDS_MAX]]
        if not words:
            return []
        hits: list[tuple[bool, int, int, Found]] = []
        for leaf in self.leaves.values():
            for section in self._sections_of(leaf):
                title, heading, text = leaf.title.casefold(), section.heading.casefold(), section.text.casefold()
                if all(word in title or word in heading or word in text for word in words):
                    weight = sum(
                        8 * (word in title) + 12 * (word in heading) + min(5, text.count(word)) for word in words
                    )
                    older = leaf.slug.startswith("decisions/")
                    hits.append((older, -weight, len(hits), _found(leaf, section, words)))
        hits.sort(key=lambda hit: hit[:3])
        return [hit[3] for hit in hits[:FOUND_MAX]]

    def _sections_of(self, leaf: Leaf) -> tuple[Section, ...]:
        if leaf.slug not in self._sections:
            self._sections[leaf.slug] = tuple(_sections(leaf.text))
        return self._sections[leaf.slug]

    def _read(self) -> Iterator[Leaf]:
        index = (self.where / "README.md").read_text(encoding="utf-8")
        abouts = {target.rstrip("/").removesuffix(".md"): about for target, about in ROW.findall(index)}
        yield Leaf("", "README.md", "Documentation", "", index)
        for _, stems in GROUPS:
            for stem in stems:
                about = plain(abouts.get(stem, "")).strip()
                if stem == "decisions":
                    yield Leaf(stem, "", "Decisions", about, self._decisions())
                else:
                    yield self._leaf(SLUGS.get(stem, stem), f"{stem}.md", about)
        for path in sorted((self.where / "decisions").glob("*.md")):
            yield self._leaf(f"decisions/{path.stem}", f"decisions/{path.name}", "")

    def _leaf(self, slug: str, file: str, about: str) -> Leaf:
        text = (self.where / file).read_text(encoding="utf-8")
        heading = HEADING.search(text)
        return Leaf(slug, file, plain_heading(heading[2]) if heading else slug, about, text)

    def _decisions(self) -> str:
        """A page that lists the records, in Markdown as the others are."""
        lines = ["# Decisions", "", "Why it is done this way: a record for each choice that was hard to make.", ""]
        for path in sorted((self.where / "decisions").glob("*.md")):
            heading = HEADING.search(path.read_text(encoding="utf-8"))
            lines.append(f"- [{plain_heading(heading[2]) if heading else path.stem}](decisions/{path.name})")
        return "\n".join([*lines, ""])


def _sections(markdown: str) -> Iterator[Section]:
    """Split at headings of the second and third level, none of which is looked for inside code."""
    text = COMMENT.sub("", markdown)
    fenced = [(match.start(), match.end()) for match in FENCE.finditer(text)]
    heads = [
        head
        for head in HEADING.finditer(text)
        if len(head[1]) <= 3 and not any(start <= head.start() < end for start, end in fenced)
    ]
    if not heads:
        yield Section("", "", plain(text))
    for head, end in zip(heads, [*(head.start() for head in heads[1:]), len(text)], strict=True):
        first = len(head[1]) == 1
        yield Section(
            anchor="" if first else anchor_of(head[2]),
            heading="" if first else plain_heading(head[2]),
            text=plain(text[head.end() : end]),
        )


def _found(leaf: Leaf, section: Section, words: list[str]) -> Found:
    text = " ".join(section.text.split())
    folded = text.casefold()
    # A few letters grow when they are folded; then the place is a little off, and nothing worse.
    places = [(folded.find(word), word) for word in words if word in folded]
    place, word = min(places, default=(0, ""))
    start = max(0, place - SNIPPET // 3)
    if start:
        start = text.find(" ", start) + 1
    end = place + len(word)
    return Found(
        slug=leaf.slug,
        title=leaf.title,
        anchor=section.anchor,
        heading=section.heading,
        before=("… " if start else "") + text[start:place],
        match=text[place:end],
        after=text[end : start + SNIPPET] + (" …" if start + SNIPPET < len(text) else ""),
    )
