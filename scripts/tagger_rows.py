"""The rows that the task tagger learns from: templates filled by seeded dice, the same rows each time."""

import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).with_name("tagger_templates.toml")
HELD_OUT = 5
"""Each fifth instruction, and each fifth of the texts that are pasted, is for the held-out rows alone."""
JSON_WANTED, JSON_WANTED_ELSE = {"extraction": 0.35}, 0.02
"""How often a row asks for JSON by `response_format`."""
FRAMED_MAX = 300

_SLOT = re.compile(r"\{(\w+)\}")

Row = tuple[str, bool, str]
"""A text, whether JSON is wanted, and the task."""


def rows(seed: int, each: int, *, held_out: bool = False) -> Iterator[Row]:
    """`each` rows of every task."""
    dice = random.Random(seed)  # noqa: S311 (rows to learn from)
    templates = tomllib.loads(TEMPLATES.read_text(encoding="utf-8"))
    sources = _part(templates["sources"], held_out)
    for task, instructions in templates["instructions"].items():
        mine = _part(instructions, held_out)
        for _ in range(each):
            text = _row(dice, dice.choice(mine), sources, templates)
            yield text, dice.random() < JSON_WANTED.get(task, JSON_WANTED_ELSE), task


def _part(texts: Sequence[str], held_out: bool) -> list[str]:
    return [text for index, text in enumerate(texts, 1) if (index % HELD_OUT == 0) is held_out]


def _row(dice: random.Random, instruction: str, sources: Sequence[str], templates: dict[str, Any]) -> str:
    def filled(found: re.Match[str]) -> str:
        if found[1] != "source":
            return str(dice.choice(templates["slots"][found[1]]))
        pasted = dice.choice(sources)
        if dice.random() < 0.2:
            pasted += "\n\n" + dice.choice(sources)
        return "\n\n" + pasted if dice.random() < 0.7 else pasted

    text = _SLOT.sub(filled, instruction)
    if len(text) < FRAMED_MAX:
        text = dice.choice(templates["frames"]).replace("{}", text)
    return text.lower() if dice.random() < 0.15 else text
