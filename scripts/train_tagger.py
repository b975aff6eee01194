"""Trains the task tagger on made rows, and writes into docs/auto.md what it does on others.

Run from the checkout's root as `python scripts/train_tagger.py`; it needs a minute. `--score` writes the page alone;
`--check` says whether the page is what the shipped weights and the code say now.
"""

import gzip
import random
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from math import exp, log, sqrt
from pathlib import Path

import msgspec

from tagger_rows import Row, rows
from tollway.routing.tagger import TASKS, Weights, by_rules, by_weights, features, said, tagged, terms, weights

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "src" / "tollway" / "routing" / "data" / "tagger.json.gz"
PAGE = ROOT / "docs" / "auto.md"
PROMPTS = ROOT / "scripts" / "tagger_prompts.toml"
START, END = "<!-- scores:start -->", "<!-- scores:end -->"

SEED, EACH, HELD_OUT = 11, 700, 60
TERMS_MAX, SEEN_MIN = 3000, 4
EPOCHS, RATE, DECAY, DROPPED = 12, 0.3, 1e-5, 0.4

Talk = tuple[tuple[str, ...], bool, str]
"""What the user said, whether JSON is wanted, and the task."""
Tagger = Callable[[str, bool], str]
View = Callable[[Sequence[str]], str]


def train(learned: Sequence[Row]) -> Weights:
    """Multinomial logistic regression by AdaGrad, one row after the other; the dice only shuffle."""
    counts = Counter(term for text, _, _ in learned for term in terms(text))
    kept = [term for term, count in counts.most_common(TERMS_MAX) if count >= SEEN_MIN]
    idf = {term: log(len(learned) / counts[term]) for term in sorted(kept)}
    index = {term: number for number, term in enumerate(idf)}
    base, width = len(index), len(features("", wants_json=False))
    size = base + width + 1
    table = [[0.0] * len(TASKS) for _ in range(size)]
    squares = [[1e-3] * len(TASKS) for _ in range(size)]
    examples = [(_vector(text, wants, idf, index, base), TASKS.index(task)) for text, wants, task in learned]
    dice = random.Random(SEED)  # noqa: S311 (the order of rows)
    for _ in range(EPOCHS):
        dice.shuffle(examples)
        for whole_vector, right in examples:
            vector = [each for each in whole_vector if each[0] >= base or dice.random() >= DROPPED]
            scores = [sum(value * table[at][task] for at, value in vector) for task in range(len(TASKS))]
            top = max(scores)
            odds = [exp(score - top) for score in scores]
            whole = sum(odds)
            slopes = [each / whole - (task == right) for task, each in enumerate(odds)]
            for at, value in vector:
                row, past = table[at], squares[at]
                for task, slope in enumerate(slopes):
                    step = slope * value + DECAY * row[task]
                    past[task] += step * step
                    row[task] -= RATE * step / sqrt(past[task])
    rounded = [tuple(round(weight, 2) for weight in row) for row in table]
    return Weights(
        bias=rounded[-1],
        features=tuple(rounded[base : base + width]),
        terms={term: (round(idf[term], 2), rounded[at]) for term, at in index.items()},
    )


def _vector(
    text: str, wants_json: bool, idf: dict[str, float], index: dict[str, int], base: int
) -> list[tuple[int, float]]:
    known = [term for term in terms(text) if term in index]
    norm = sqrt(sum(idf[term] ** 2 for term in known)) or 1.0
    dense = enumerate(features(text, wants_json=wants_json), base)
    return [
        *((index[term], idf[term] / norm) for term in sorted(known)),
        *((at, value) for at, value in dense if value),
        (base + len(features("", wants_json=False)), 1.0),
    ]


def taggers(found: Weights) -> dict[str, Tagger]:
    """What is compared, by what the page calls it. The last is what ships."""
    return {
        "always `chat`": lambda text, wants: "chat",
        "rules, else `chat`": lambda text, wants: by_rules(terms(text), wants_json=wants) or "chat",
        "weights": lambda text, wants: best(by_weights(text, terms(text), found, wants_json=wants)),
        "rules, else weights": lambda text, wants: tagged(text, wants_json=wants),
    }


def best(scores: Sequence[float]) -> str:
    """The task with the highest score."""
    return TASKS[max(range(len(TASKS)), key=scores.__getitem__)]


def scored(found: Weights) -> str:
    """The tables of the page: how many rows of each kind get the task that a person would say."""
    held: list[Talk] = [((text,), wants, task) for text, wants, task in rows(SEED + 1, HELD_OUT, held_out=True)]
    groups = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))["groups"]
    kinds: dict[str, list[Talk]] = {f"templates, held out ({HELD_OUT} a task)": held}
    for name, prompts in groups.items():
        kinds[f"by hand: {name}"] = [(tuple(turns), False, task) for task, *turns in prompts]
    tried = taggers(found)
    lines = [f"| Rows | n | {' | '.join(tried)} |", f"|---|{'---|' * (len(tried) + 1)}"]
    sums = dict.fromkeys(tried, 0)
    for kind, these in kinds.items():
        right = {name: _right(tagger, these, asked) for name, tagger in tried.items()}
        lines.append(f"| {kind} | {len(these)} | {' | '.join(f'{each / len(these):.0%}' for each in right.values())} |")
        if these is not held:
            sums = {name: sums[name] + each for name, each in right.items()}
    by_hand = [row for kind, these in kinds.items() if these is not held for row in these]
    whole = " | ".join(f"**{each / len(by_hand):.0%}**" for each in sums.values())
    lines += [f"| **all by hand** | {len(by_hand)} | {whole} |", ""]
    later = [row for row in by_hand if len(row[0]) > 1]
    ships = tried["rules, else weights"]
    views: dict[str, View] = {"the first": lambda turns: turns[0], "the last": lambda turns: turns[-1], "both": asked}
    lines += ["| What is read of a conversation | right |", "|---|---|"]
    lines += [f"| {name} | {_right(ships, later, view)} of {len(later)} |" for name, view in views.items()]
    lines += ["", "| By hand, task | n | right | most often taken for |", "|---|---|---|---|"]
    for task in TASKS:
        mine = [row for row in by_hand if row[2] == task]
        wrong = Counter(name for row in mine if (name := ships(asked(row[0]), row[1])) != task)
        taken = ", ".join(f"{name} ({count})" for name, count in wrong.most_common(2)) or "-"
        lines.append(f"| {task} | {len(mine)} | {len(mine) - wrong.total()} | {taken} |")
    return "\n".join(lines)


def asked(turns: Sequence[str]) -> str:
    """What is read of a conversation: the first and the last that the user said."""
    return said(turns[0], turns[-1] if len(turns) > 1 else "")


def _right(tagger: Tagger, these: Sequence[Talk], view: View) -> int:
    return sum(tagger(view(turns), wants) == task for turns, wants, task in these)


def main() -> int:
    check, score = "--check" in sys.argv[1:], "--score" in sys.argv[1:]
    if not (check or score):
        WEIGHTS.parent.mkdir(exist_ok=True)
        found = train(list(rows(SEED, EACH)))
        WEIGHTS.write_bytes(gzip.compress(msgspec.json.encode(found, order="sorted"), 9, mtime=0))
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(START)
    new = f"{before}{START}\n\n{scored(weights())}\n\n{END}{rest.partition(END)[2]}"
    if check:
        if new != page:
            print(f"{PAGE} is stale: run python scripts/train_tagger.py --score", file=sys.stderr)
        return int(new != page)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
