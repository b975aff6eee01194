"""What a text asks for: one of seven tasks, by words that name it and else by learned weights; in microseconds.

`scripts/train_tagger.py` writes the weights, and docs/auto.md how well either way does.
"""

import gzip
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import log10, sqrt

import msgspec
from msgspec import Struct

from tollway.domain.auto import Task

TASKS: tuple[Task, ...] = ("code", "reasoning", "extraction", "translation", "summary", "writing", "chat")
"""What a text alone can be asked for. Tools and images make a request `agent` and `vision` (routing/auto.py)."""

HEAD, TAIL = 600, 300
"""Characters of the beginning and of the end that count: where an instruction stands, around what is pasted."""

_WORD = re.compile(r"[^\W\d_]+")
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_SUM = re.compile(r"\d\s*[-+*/^=\u00d7\u00f7]\s*\d|\d\s?%")
_CODE = ("```", "def ", "function ", "=>", "import ", "#include", "return ", "();", "SELECT ", "fn ", "</")
_FAULT = ("error", "exception", "traceback", "segfault", "stack trace", "exit code", "core dump")
_MATHS = ("d/dx", "\u221a", "\u222b", "\\frac", "x =", "x^", "x=", "y =", "y=", "n^")


class Weights(Struct, frozen=True):
    """A model that `scripts/train_tagger.py` has learned. Each row has one weight for each of TASKS."""

    bias: tuple[float, ...]
    features: tuple[tuple[float, ...], ...]
    """For each of `features`."""
    terms: dict[str, tuple[float, tuple[float, ...]]]
    """A word, or two in a row -> how rare it is (IDF), and its weights."""


@cache
def weights() -> Weights:
    """The weights that came in the package; the file is read once."""
    data = (files("tollway.routing") / "data" / "tagger.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(data), type=Weights)


def said(first: str, last: str = "") -> str:
    """What is read of a conversation: the first and the last that its user said."""
    return f"{window(first)}\n{window(last)}" if last else window(first)


def window(text: str) -> str:
    """The part of a text whose words count."""
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"


def terms(text: str) -> set[str]:
    """The words of a text, and each two in a row; two characters in a row where words are not parted by spaces."""
    words: list[str] = []
    for word in _WORD.findall(text.lower()):
        if _NO_SPACES.search(word):
            words += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        else:
            words.append(word)
    return {*words, *map(" ".join, pairwise(words))}


def features(text: str, *, wants_json: bool) -> tuple[float, ...]:
    """Twelve numbers from 0 to 1 about the shape of a text."""
    size = len(text) or 1
    lower = text.lower()
    lines = text.splitlines() or [""]
    symbols = sum(map(text.count, "{}()[];=<>_"))
    digits = sum(map(text.count, "0123456789"))
    return (
        float(wants_json),
        float("```" in text),
        float(any(each in text for each in _CODE)),
        min(1.0, 8 * symbols / size),
        float(any(each in lower for each in _FAULT)),
        float(any(each in lower for each in _MATHS) or (digits > 0 and _SUM.search(text) is not None)),
        min(1.0, 5 * digits / size),
        float(text.rstrip()[-1:] in ("?", "\uff1f")),
        min(1.0, log10(size) / 4),
        min(1.0, len(lines) / 12),
        float(max(map(len, lines)) > 200),
        float("http" in lower and ("http://" in lower or "https://" in lower)),
    )


def by_weights(text: str, known: AbstractSet[str], found: Weights, *, wants_json: bool = False) -> tuple[float, ...]:
    """A score for each of TASKS: the learned one. `known`: the text's terms."""
    scores = list(found.bias)
    for value, row in zip(features(text, wants_json=wants_json), found.features, strict=True):
        if value:
            scores = [score + value * weight for score, weight in zip(scores, row, strict=True)]
    entries = [entry for term in sorted(known) if (entry := found.terms.get(term)) is not None]
    if entries:
        norm = sqrt(sum(idf * idf for idf, _ in entries))
        sums = [0.0] * len(scores)
        for idf, row in entries:
            sums = [total + idf * weight for total, weight in zip(sums, row, strict=True)]
        scores = [score + total / norm for score, total in zip(scores, sums, strict=True)]
    return tuple(scores)


def _words(*texts: str) -> frozenset[str]:
    """Words; those that go together are joined by an underscore here."""
    return frozenset(word.replace("_", " ") for text in texts for word in text.split())


RULES: Mapping[Task, AbstractSet[str]] = {
    "translation": _words(
        "translate translates translated translating translation translator into_english into_german",
        "into_french into_spanish into_italian into_portuguese into_japanese into_chinese into_polish",
        "into_dutch in_german in_french in_spanish in_italian in_portuguese in_japanese in_chinese",
        "auf_deutsch auf_englisch sagt_man übersetze übersetzen übersetzung traduis traduire traduisez",
        "traduction en_anglais en_français traduce traducir traducción al_inglés al_español en_inglés 翻译 译成",
    ),
    "summary": _words(
        "summary summarize summarise summarizes summaries tldr dr_tl tl_dr gist key_points takeaways condense",
        "recap shorten digest zusammen zusammenfassung résume résumé synthèse resumen resume_este resume_ce",
        "总结 概括",
    ),
    "extraction": _words(
        "extract extracts extraction classify classifies classifier classification categorize pull_out",
        "as_json into_json valid_json as_csv to_csv label_each sentiment extrahiere klassifiziere extrais",
        "extrae clasifica 提取 分类",
    ),
    "code": _words(
        "python javascript typescript rust golang java kotlin sql postgres mysql sqlite mongodb redis bash",
        "css html docker dockerfile git regex npm pip react angular vue django kubernetes node code function",
        "unit_test unit_tests debug refactor compiler compile compiles api stacktrace traceback segfault 代码",
        "函数",
    ),
    "reasoning": _words(
        "prove proof solve probability odds integral derivative equation calculate riddle percent eigenvalue",
        "eigenvalues how_many logically beweise löse résous demuestra calcula 证明 计算 方程",
    ),
    "writing": _words(
        "poem poems story stories haiku song limerick lyrics essay slogan novel speech cover_letter blog_post",
        "rhyme eulogy rewrite rephrase paraphrase proofread sound_more gedicht geschichte poème poema cuento",
        "lettre_de 写诗 故事",
    ),
}
"""Words that name a task, in the order in which they are asked: who wants code translated, or a story summed up, says
so."""


def by_rules(known: AbstractSet[str], *, wants_json: bool = False) -> Task | None:
    """The task that a text names by itself; None: none of the words is in it."""
    for task, words in RULES.items():
        if not words.isdisjoint(known):
            return task
    return "extraction" if wants_json else None


def tagged(text: str, *, wants_json: bool = False) -> Task:
    """The task of a text: what the rules say, else the weights. docs/auto.md found that best."""
    known = terms(text)
    found = by_rules(known, wants_json=wants_json)
    if found is not None:
        return found
    scores = by_weights(text, known, weights(), wants_json=wants_json)
    return TASKS[max(range(len(TASKS)), key=scores.__getitem__)]
