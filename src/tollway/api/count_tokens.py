"""`POST .../messages/count_tokens` and Gemini's `:countTokens`: a prompt's tokens by our tokenizer; nobody is asked."""

from collections.abc import Callable

from tollway.api.house import House
from tollway.billing.tokens import count_prompt, media_tokens
from tollway.domain.chat import ChatRequest

Decode = Callable[[bytes], ChatRequest]


async def count_tokens(house: House, decode: Decode, body: bytes) -> int:
    """An estimate: every family has a tokenizer of its own, and ours is o200k. InvalidRequest: not a request."""
    request = decode(body)
    loop = house.gateway.loop
    return await loop.run_in_executor(
        None, lambda: count_prompt(house.gateway.tokenizer(), request) + media_tokens(request)
    )
