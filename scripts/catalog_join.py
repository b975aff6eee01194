"""Which rows are the same model: OpenRouter's ids are the anchors, a table decides what no rule should guess."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from catalog_facts import Source
from tollway.catalog.names import Name, loose, read_name

Key = tuple[tuple[str, ...], str, str]


class Joiner:
    """Reads all rows once, then says for each which model it is; the order of the rows does not matter."""

    def __init__(self, rows: list[Source], anchors: Iterable[str], table: dict[str, Any]) -> None:
        self._table = table
        self._aliases: dict[str, str] = {alias.lower(): model for alias, model in table["aliases"].items()}
        self._names = {(row.provider, row.upstream): read_name(row.upstream) for row in rows}
        self._anchors: dict[Key, str] = {}
        self._loose_anchors: dict[Key, set[str]] = defaultdict(set)
        self._learn_anchors(anchors)
        self._known_authors = {model.split("/", 1)[0] for model in self._anchors.values()}
        self._alias_keys = {read_name(alias).key: model for alias, model in self._aliases.items() if ":" not in alias}
        self._dates: dict[tuple[tuple[str, ...], str], set[str]] = defaultdict(set)
        self._prices: dict[tuple[str, Key], Any] = {}
        for row in rows:
            name = self._names[row.provider, row.upstream]
            if name.date:
                self._dates[name.words, name.variant].add(name.date)
            self._prices[row.provider, name.key] = row.facts.get("cost")
        # Where OpenRouter or the maker has both "x" and "x-instruct", the two are not one model for anybody.
        official = {key[0] for key in self._anchors}
        official |= {
            self._names[row.provider, row.upstream].words for row in rows if row.provider in table["first_party"]
        }
        self._apart = {loose(words) for words in official if loose(words) != words and loose(words) in official}
        self._groups: dict[Key, list[Source]] = defaultdict(list)
        for row in rows:
            self._groups[self._group_key(row)].append(row)
        self._ids: dict[Key, str] = {}

    def model_of(self, row: Source) -> str:
        """The id, `author/slug`, of the model that a row offers."""
        name = self._names[row.provider, row.upstream]
        return self._alias(row, name) or self._anchor(row, name) or self._invented(row)

    def _learn_anchors(self, anchors: Iterable[str]) -> None:
        for anchor in anchors:
            name = read_name(anchor)
            if name.key not in self._anchors:
                self._anchors[name.key] = anchor
                words, date, variant = name.key
                self._loose_anchors[(loose(words), date, variant)].add(anchor)

    def _alias(self, row: Source, name: Name) -> str | None:
        for spelling in (f"{row.provider}:{row.upstream}".lower(), row.upstream.lower()):
            if spelling in self._aliases:
                return self._aliases[spelling]
        found = self._alias_keys.get(name.key)
        if found or not name.variant:
            return found
        base = self._alias_keys.get((name.words, name.date, ""))
        return f"{base}:{name.variant}" if base else None

    def _anchor(self, row: Source, name: Name) -> str | None:
        for key in self._keys(row, name):
            found = self._anchors.get(key)
            if found is None and len(near := self._loose_anchors.get((loose(key[0]), *key[1:]), set())) == 1:
                found = None if loose(key[0]) in self._apart else next(iter(near))
            if found is None and key[2]:
                base = self._anchors.get((*key[:2], ""))
                found = f"{base}:{key[2]}" if base else None
            if found and self._author_fits(row, name, found):
                return found
        return None

    def _keys(self, row: Source, name: Name) -> list[Key]:
        """The name's own key; then, where its date says nothing, the key without the date."""
        if not name.date or not self._date_is_idle(row, name):
            return [name.key]
        return [name.key, (name.words, "", name.variant)]

    def _date_is_idle(self, row: Source, name: Name) -> bool:
        """Only one snapshot is sold under this name, and this provider asks the same for the name without the date."""
        if len(self._dates[name.words, name.variant]) > 1:
            return False
        plain = self._prices.get((row.provider, (name.words, "", name.variant)))
        return plain is None or plain == row.facts.get("cost")

    def _author_fits(self, row: Source, name: Name, model: str) -> bool:
        """A path that names another known maker means another model of the same name."""
        author = self._table["authors"].get(name.author, name.author)
        return author not in self._known_authors or model.split("/", 1)[0] in (author, name.author) or author in _HOSTS

    def _group_key(self, row: Source) -> Key:
        name = self._names[row.provider, row.upstream]
        words = name.words if loose(name.words) in self._apart else loose(name.words)
        date = "" if name.date and self._date_is_idle(row, name) else name.date
        return words, date, name.variant

    def _invented(self, row: Source) -> str:
        """An id for a model that OpenRouter doesn't list: the maker's own spelling, else the most frequent one."""
        key = self._group_key(row)
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = self._best_id(key, self._groups[key])
        return found

    def _best_id(self, key: Key, rows: list[Source]) -> str:
        authors: Counter[str] = Counter()
        slugs: Counter[str] = Counter()
        for row in rows:
            name = self._names[row.provider, row.upstream]
            makes = self._table["first_party"].get(row.provider)
            weight = 100 if makes else 10 if row.provider == "vercel" else 1
            authors[self._author(row, name)] += weight
            slug = self._strip_author(name.slug)
            slugs[slug] += weight
        author = min(authors, key=lambda author: (-authors[author], author))
        slug = min(slugs, key=lambda slug: (-slugs[slug], slug))
        date, variant = key[1], key[2]
        dated = f"-{date[:4]}-{date[4:6]}-{date[6:]}" if date else ""
        return f"{author}/{slug}{dated}" + (f":{variant}" if variant else "")

    def _author(self, row: Source, name: Name) -> str:
        author = str(self._table["authors"].get(name.author, name.author)).replace(" ", "-").removeprefix("@")
        if author and author not in _HOSTS:
            return author
        return self._family(name.words) or self._table["first_party"].get(row.provider) or row.provider

    def _family(self, words: tuple[str, ...]) -> str | None:
        """The maker by the first words, unless the others show that someone has tuned the model and renamed it."""
        for length in range(min(4, len(words)), 0, -1):
            if found := self._table["families"].get(" ".join(words[:length])):
                tuned = words[0] in _OFTEN_TUNED and not all(_PLAIN.fullmatch(word) for word in words[length:])
                return None if tuned or not _TUNED.isdisjoint(words) else str(found)
        return None

    def _strip_author(self, slug: str) -> str:
        for word in (
            "anthropic-",
            "openai-",
            "google-",
            "databricks-",
            "meta-llama-",
            "alibaba-",
            "xai-",
            "zai-org-",
            "azure-",
        ):
            if slug.startswith(word):
                rest = slug.removeprefix(word)
                return f"llama-{rest}" if word == "meta-llama-" else rest
        return slug


_OFTEN_TUNED = frozenset({"llama", "mistral", "mixtral", "qwen", "qwq", "gemma"})
_PLAIN = re.compile(
    r"v?\d+[a-z]?|e?\d+x?\d*[bmk]|a\d+b|instruct|it|chat|vision|vl|omni|coder|math|guard|scout|maverick|small|medium|large|"
    r"nemo|saba|tiny|max|plus|turbo|flash|long|next|thinking|preview|latest|image|edit|embedding|reranker|mt|ocr|asr|tts|"
    r"realtime|livetranslate|creative|ocr|base|code|character|ja|pro|lite|think|fast|highspeed"
)
"""Words that a maker itself puts behind a family's name."""
_TUNED = frozenset({"derestricted", "abliterated", "uncensored"})

_HOSTS = frozenset(
    {
        "unsloth",
        "cortecs",
        "chutesai",
        "baseten",
        "fireworks-ai",
        "huggingface",
        "neuralmagic",
        "groq",
        "siliconflow",
        "novita",
    }
)
"""Names in a path that say who serves or repackages a model, not who made it."""
