"""What a prompt may cost and where it fits: by its bytes, and counted where only the bytes stand in the way."""

from msgspec import structs

from tests.gateway.clients import chat, run
from tests.support import offer, staged
from tollway.domain.catalog import Endpoint, Rates, Tier

IMAGE: dict[str, object] = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}
CAP = {"max_price": {"prompt": "1"}}
"""As dear as the base rates, and less than above a thousand tokens."""


def tiered(endpoint: Endpoint) -> Endpoint:
    """Ten times as dear above a thousand tokens; and it takes images."""
    price = endpoint.price
    if endpoint.model_id != "test/model" or price is None:
        return endpoint
    dear = Rates(10 * price.rates.prompt, price.rates.completion)
    return structs.replace(
        endpoint,
        price=structs.replace(price, tiers=(Tier(1_000, dear),)),
        input_modalities=frozenset({"text", "image"}),
        context_tokens=8_000,
    )


def text_and_image(text: str) -> list[dict[str, object]]:
    return [{"type": "text", "text": text}, IMAGE]


def test_a_cap_holds_in_every_tier_that_a_prompt_may_reach() -> None:
    """Three thousand letters are at most so many tokens: they are counted, and who may reach the tier is left out."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=2")) as stage:
            stage.change_endpoints(tiered)
            short = await chat(stage, content="Hello", provider=CAP)
            counted = await chat(stage, content="hello " * 500, provider=CAP)
            assert (short.status, counted.status) == (200, 200)
            refused = await chat(stage, content="7 " * 1_000, provider=CAP)
            assert refused.status == 404
            assert "its prompt price above 1000 tokens is above max_price.prompt" in refused.raw.decode()
            assert (await chat(stage, content="7 " * 1_000)).status == 200
            with_image = await chat(stage, content=text_and_image("Hello"), provider=CAP)
            assert with_image.status == 404, "an image may be 6,000 tokens"
            assert len(stage.received) == 3

    run(scene)


def test_a_long_text_beside_an_image_must_fit() -> None:
    """The text is estimated by what of the body is not the image; a short one beside a large image fits."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=2")) as stage:
            stage.change_endpoints(tiered)
            long = await chat(stage, content=text_and_image("hello " * 8_000), max_tokens=5)
            assert long.status == 400
            assert "context_length_exceeded" in long.raw.decode()
            assert (await chat(stage, content=text_and_image("hello"), max_tokens=5)).status == 200
            assert len(stage.received) == 1

    run(scene)


def test_a_prompt_of_long_words_is_counted_before_it_is_refused() -> None:
    """Eight letters may be one token: what fits by the count is answered, and what does not is told by it."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=2", context=400)) as stage:
            fits = await chat(stage, content="surprise " * 200, max_tokens=5)
            assert fits.status == 200, "1,800 bytes are 450 tokens by the estimate, and 200 by the count"
            refused = await chat(stage, content="a b c d " * 300, max_tokens=5)
            assert refused.status == 400
            assert "context_length_exceeded" in refused.raw.decode()
            assert " tokens > 400 maximum" in refused.raw.decode()
            assert len(stage.received) == 1

    run(scene)
