"""The task tagger: what ships is what the scoreboard of docs/auto.md says is best, and it takes any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.routing.tagger import HEAD, TAIL, TASKS, by_rules, by_weights, said, tagged, terms, weights
from train_tagger import PAGE, best, scored, train


def test_the_page_is_what_the_weights_say() -> None:
    """The scoreboard is the code's; and what ships beats both of its parts on rows that nothing was learned from."""
    table = scored(weights())
    assert table in PAGE.read_text(encoding="utf-8")
    (whole,) = (line for line in table.splitlines() if "all by hand" in line)
    always, rules, learned, both = (int(cell.strip(" *%")) for cell in whole.split("|")[3:7])
    assert always < rules < learned < both


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Translate into French: the bridge is closed", "translation"),
        ("TL;DR of this report please", "summary"),
        ("Extract all names as JSON", "extraction"),
        ("why does my docker container exit at once", "code"),
        ("What is the probability of two sixes in a row?", "reasoning"),
        ("a limerick about a lost umbrella", "writing"),
        ("what should I know about volcanoes?", "chat"),
        ("Übersetze ins Deutsche: see you", "translation"),
        ("总结这篇文章", "summary"),
    ],
)
def test_plain_cases(text: str, task: str) -> None:
    """One that is easy, of each task."""
    assert tagged(text) == task


def test_rules_first() -> None:
    """A word that names the task decides; without one the wish for JSON does, else the weights."""
    assert by_rules(terms("write a summary of this python code")) == "summary"
    assert by_rules(terms("one two three"), wants_json=True) == "extraction"
    assert by_rules(terms("one two three")) is None


def test_only_the_ends_of_a_long_text_count() -> None:
    """What is pasted in between is not read."""
    text = "a" * HEAD + " translate " * 100 + "b" * TAIL
    assert "translate" not in said(text)
    assert said("one", "two") == "one\ntwo"


def test_training_learns() -> None:
    """A few rows of two tasks are told apart, by words and by the wish for JSON."""
    rows = [("red apple pie", False, "chat"), ("blue number sum", False, "reasoning"), ("x", True, "extraction")] * 8
    found = train(rows)
    for text, wants, task in rows[:3]:
        assert best(by_weights(text, terms(text), found, wants_json=wants)) == task


@given(st.text(), st.booleans())
def test_any_text(text: str, wants_json: bool) -> None:
    """Any text has a task."""
    assert tagged(said(text, text), wants_json=wants_json) in TASKS
