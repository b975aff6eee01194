"""What a request must cost, worked out anew with Decimal: none of the product's arithmetic is used here."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from tests.support import COMPLETION, PROMPT

USD = 10**9
"""Nanodollars."""


def price(prompt: int, completion: int, *, at: tuple[str, str] = (PROMPT, COMPLETION), request: str = "0") -> int:
    """Tokens at USD per token -> nanodollars, rounded once, half to even (MONEY.md, Units)."""
    with localcontext() as exact:
        exact.prec = 60
        usd = Decimal(prompt) * Decimal(at[0]) + Decimal(completion) * Decimal(at[1]) + Decimal(request)
        return int((usd * USD).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def nano(shown: object) -> int:
    """An amount as an answer shows it, a JSON number in USD -> nanodollars."""
    return int((Decimal(str(shown)) * USD).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def prompt_tokens(*texts: str) -> int:
    """The simulator's count of a prompt: a quarter of its characters, and 3 for each message (simulator/text.py)."""
    return sum(map(len, texts)) // 4 + 3 * len(texts)
