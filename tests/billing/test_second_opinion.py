"""What recorded answers of real providers cost, by us and by genai-prices: each difference has its reason here."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import extract_usage
from genai_prices import types as genai

from catalog_prices import SecondOpinion
from tests.wire.recordings import bodies
from tollway.billing.pricing import cost
from tollway.domain.catalog import Price
from tollway.domain.generation import Usage
from tollway.domain.rates import rates_from_text, tiers_from_text
from tollway.wire.anthropic_messages import client as anthropic_messages
from tollway.wire.gemini import client as gemini
from tollway.wire.openai_chat import client as openai_chat
from tollway.wire.openai_responses import client as openai_responses

DAY = datetime(2026, 6, 1, 12, tzinfo=UTC)
READ: tuple[tuple[str, str, Any, str, str], ...] = (
    ("chat_completions", "openai", openai_chat, "openai", "chat"),
    ("chat_completions", "groq", openai_chat, "groq", "default"),
    ("chat_completions", "mistral", openai_chat, "mistral", "default"),
    ("chat_completions", "deepseek", openai_chat, "deepseek", "chat"),
    ("responses", "openai", openai_responses, "openai", "responses"),
    ("messages", "anthropic", anthropic_messages, "anthropic", "default"),
    ("generate_content", "google", gemini, "google", "default"),
    ("generate_content", "vertex", gemini, "google", "default"),
)
"""Recordings' api and provider, our decoder, and genai-prices' names for provider and shape."""
SEARCH = Decimal("0.01")
"""What Anthropic takes for one of its own web searches; the catalog has prices of tokens only."""

Reason = Callable[[Usage, genai.ExtractedUsage, genai.ModelPrice, Decimal], bool]
"""(our count, theirs, their price, ours less theirs) -> whether this explains the difference, all of it."""


def searches(ours: Usage, theirs: genai.ExtractedUsage, price: genai.ModelPrice, more: Decimal) -> bool:
    """Web searches of the provider's own have a price for each, which we do not bill."""
    return ours.web_searches > 0 and more == -SEARCH * ours.web_searches


def dearest_hour(ours: Usage, theirs: genai.ExtractedUsage, price: genai.ModelPrice, more: Decimal) -> bool:
    """Where a price depends on the hour, ours is the dearest of the day."""
    hours = {str(theirs.model.get_prices(DAY.replace(hour=hour))) for hour in range(24)} if theirs.model else set()
    return len(hours) > 1 and more > 0


def cache_unread(ours: Usage, theirs: genai.ExtractedUsage, price: genai.ModelPrice, more: Decimal) -> bool:
    """We read that a part of the prompt came from a cache, and they do not."""
    if ours.cache_read == 0 or getattr(theirs.usage, "cache_read_tokens", None) or price.cache_read_mtok is None:
        return False
    saved = Decimal(str(price.input_mtok)) - Decimal(str(price.cache_read_mtok))
    return more == -saved * ours.cache_read / 10**6


def pictures(ours: Usage, theirs: genai.ExtractedUsage, price: genai.ModelPrice, more: Decimal) -> bool:
    """Pictures that come out have a price of their own, and ours is the dearer one for all that comes out."""
    dearer = price.output_image_mtok
    if dearer is None:
        return False
    return more == (Decimal(str(dearer)) - Decimal(str(price.output_mtok))) * ours.completion / 10**6


def cached_sound(ours: Usage, theirs: genai.ExtractedUsage, price: genai.ModelPrice, more: Decimal) -> bool:
    """They know which of the cached tokens were sound; we take them for text, so that less sound is cached."""
    return ours.audio_prompt > 0 and ours.cache_read > 0 and 0 < more < Decimal("0.0001")


REASONS: tuple[Reason, ...] = (searches, dearest_hour, cache_unread, pictures, cached_sound)


def test_recorded_answers_cost_what_another_library_says(tell: Callable[[str], None]) -> None:
    """The same body, read and priced by both at the same rates: to the nanodollar, or for a reason that is named."""
    opinion, same, explained = SecondOpinion(DAY.date().isoformat()), 0, Counter[str]()
    for api, provider, client, their_provider, flavor in READ:
        for name, body in bodies(api):
            if name.split(" ")[0] != provider:
                continue
            answer = client.decode_answer(json.dumps(body).encode())
            usage = getattr(answer, "usage", None)
            try:
                theirs = extract_usage(body, provider_id=their_provider, api_flavor=flavor)
            except LookupError:
                explained["they do not know the model"] += 1
                continue
            except ValueError:
                assert usage is None or not body.get("usage"), f"{name}: we read usage where they find none"
                explained["no usage in it"] += 1
                continue
            assert theirs.model is not None, name
            found = opinion.rates(theirs.model)
            if usage is None or found is None:
                explained["no usage in it" if usage is None else "not priced by the token"] += 1
                continue
            price = theirs.model.get_prices(DAY)
            due = Decimal(str(price.calc_price(theirs.usage)["total_price"]))
            bill = cost(usage, Price(1, rates_from_text(found[0]), tiers_from_text(found[1])))
            more = Decimal(bill.total) / 10**9 - due
            if abs(more) <= Decimal("0.5e-9"):
                same += 1
                continue
            reasons = [each.__name__ for each in REASONS if each(usage, theirs, price, more)]
            assert reasons, f"{name}: {more} more than theirs, for no known reason: {usage}, {theirs.usage}"
            explained[reasons[0]] += 1
    tell(f"recorded bills: {same} the same as genai-prices', {dict(explained)}")
    assert same > 700
    assert set(explained) >= {reason.__name__ for reason in REASONS}, "a reason that explains nothing is to be removed"


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_does_not_explain_everything(reason: Reason) -> None:
    """Each is particular: a plain request whose bill differs is explained by none."""
    plain, price = Usage(prompt=100, completion=10), genai.ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(2))
    [model] = [each for each in SecondOpinion("2026-06-01").models("openai") if each.id == "gpt-4o"]
    theirs = extract_usage(
        {"model": "gpt-4o", "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}},
        provider_id="openai", api_flavor="chat",
    )  # fmt: skip
    assert theirs.model == model
    assert not reason(plain, theirs, price, Decimal("0.00001"))
    assert not reason(plain, theirs, price, Decimal("-0.01"))
