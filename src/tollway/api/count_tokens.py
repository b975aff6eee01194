"""`POST .../messages/count_tokens` and Gemini's `:countTokens`: a prompt's tokens by our tokenizer; nobody is asked."""

from collections.abc import Callable

from tollway.api.house import House
from tollway.domain.chat import ChatRequest
from tollway.domain.identity import Key

Decode = Callable[[bytes], ChatRequest]


async def count_tokens(house: House, key: Key, decode: Decode, body: bytes) -> int:
    """An estimate: every family has a tokenizer of its own, and ours is o200k. InvalidRequest: not a request.

    PaymentRequired, RateLimited: more work than this key gets for nothing (`gateway/counts.py`).
    """
    await house.counts.admit(key, len(body))
    return await house.counts.count(key.id, decode(body), len(body))
