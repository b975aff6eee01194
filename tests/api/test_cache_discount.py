"""What a cache saved or cost: counted in every format, told by `GET /generation`, exact to the nanodollar."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from tests.support import World, offer, world
from tollway.domain.catalog import Endpoint, Price, Rates, WireFormat
from tollway.wire.formats import CLIENTS

MICRO = 10**12
"""A millionth of a dollar in attodollars."""
RATES = Rates(3 * MICRO, 15 * MICRO, cache_read=3 * MICRO // 10, cache_write=15 * MICRO // 4)
"""Claude's: reading at a tenth, writing at five quarters."""
READERS = CLIENTS.keys() - {WireFormat.COHERE_CHAT}
"""Cohere tells what it read from a cache and bills tokens in its own way (`Usage.billed`)."""
WRITERS = {WireFormat.ANTHROPIC_MESSAGES, WireFormat.BEDROCK_CONVERSE}
"""Formats that count what is written."""


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A model for each format, which reads 7 tokens from a cache, and one that writes 9 to it."""
    offers = [
        offer(f"{does}/{speaks.value}", f"m@{told}", at=(speaks.value.replace("_", "-"),), speaks=speaks)
        for speaks in READERS
        for does, told in (("reads", "cached=7"), ("writes", "cached=2,cache_written=9"))
    ]

    def with_cache_prices(endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, price=Price(1, RATES))

    with world(*offers) as it:
        it.call(it.stage.change_endpoints, with_cache_prices)
        yield it


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("does", "speaks", "read", "written"),
    [("reads", speaks, 7, 0) for speaks in sorted(READERS)]
    + [("writes", speaks, 2, 9) for speaks in sorted(WRITERS & READERS)],
)
def test_discount(town: World, does: str, speaks: WireFormat, read: int, written: int, stream: bool) -> None:
    """Positive for what was read, negative for what was written (seed, "Inspecting cache usage")."""
    asked = "one two three four five six seven eight nine ten eleven twelve"
    answer = town.chat(model=f"{does}/{speaks.value}", messages=[{"role": "user", "content": asked}], stream=stream)
    assert answer.status == 200
    usage = answer.events[-2]["usage"] if stream else answer.json["usage"]
    details = usage["prompt_tokens_details"]
    assert (details["cached_tokens"], details["cache_write_tokens"]) == (read, written)
    found = town.request("GET", f"/api/v1/generation?id={answer.headers['x-generation-id']}").json["data"]
    plain = usage["prompt_tokens"] - read - written
    cost = 3000 * plain + 300 * read + 3750 * written + 15000 * usage["completion_tokens"]
    assert round(found["usage"] * 10**9) == round(usage["cost"] * 10**9) == cost
    assert round(found["cache_discount"] * 10**9) == 2700 * read - 750 * written
    assert found["native_tokens_cached"] == read
