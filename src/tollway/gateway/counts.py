"""Counting prompts that nobody pays for: how much of it a key may have done, off the event loop."""

import asyncio

from tollway.billing.tokens import count_prompt, media_tokens
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import PaymentRequired, RateLimited
from tollway.domain.identity import Key
from tollway.gateway.admit import open_book
from tollway.gateway.base import Gateway

FREE_BYTES = 256 * 1024
"""A body up to this size is counted for every key; a larger one where there is money to send it."""
WAITING_BYTES_MAX = 64 * 1024 * 1024
"""Bodies of one key that wait to be counted, or are being counted, in all."""
AT_ONCE = 2
"""Counts under way, of all keys; of one key, one."""


class TokenCounts:
    """Takes counts in turns: nobody's large prompts keep the processor from others for longer than one of them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._all = asyncio.Semaphore(AT_ONCE)
        self._turns: dict[str, asyncio.Lock] = {}
        self._bytes: dict[str, int] = {}

    async def admit(self, key: Key, body_bytes: int) -> None:
        """PaymentRequired: a large body, and neither credits nor a limit that is left. RateLimited: too many wait."""
        if body_bytes > FREE_BYTES:
            book = await open_book(self._gateway, key)
            if book.available <= 0:
                raise PaymentRequired(
                    f"Without credits, bodies of up to {FREE_BYTES // 1024} KiB are counted; this one has "
                    f"{body_bytes // 1024}. Add credits, or count it in parts."
                )
        if self._bytes.get(key.id, 0) + body_bytes > WAITING_BYTES_MAX:
            raise RateLimited("Too many prompts of this key wait to be counted; try again.", retry_after_s=2)

    async def count(self, key_id: str, request: ChatRequest, body_bytes: int) -> int:
        """The prompt's tokens by our tokenizer, media by their caps, when it is the key's turn."""
        self._bytes[key_id] = self._bytes.get(key_id, 0) + body_bytes
        try:
            async with self._turns.setdefault(key_id, asyncio.Lock()), self._all:
                return await self._gateway.loop.run_in_executor(None, self._count, request)
        finally:
            self._bytes[key_id] -= body_bytes
            if not self._bytes[key_id]:
                del self._bytes[key_id], self._turns[key_id]

    def _count(self, request: ChatRequest) -> int:
        return count_prompt(self._gateway.tokenizer(), request) + media_tokens(request)
