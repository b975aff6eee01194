"""What the simulated provider offers: OpenAI's model list, and OpenRouter's list for providers, with prices."""

from collections.abc import Iterable
from typing import Any
from zlib import crc32

from tollway.simulator.behaviour import PRESETS

DEFAULT_MODELS = (*(f"sim/{name}" for name in PRESETS), "sim/free")
CREATED_S = 1_767_225_600  # 2026-01-01: a list does not change from one start to the next
CONTEXT_TOKENS = 131_072
OUTPUT_TOKENS_MAX = 16_384


def openai_model(name: str, provider: str) -> dict[str, Any]:
    """One model as `GET /v1/models` shows it."""
    return {"id": name, "object": "model", "created": CREATED_S, "owned_by": provider or "tollway-simulator"}


def openai_models(names: Iterable[str], provider: str) -> dict[str, Any]:
    """The body of `GET /v1/models`."""
    return {"object": "list", "data": [openai_model(name, provider) for name in names]}


def prices(name: str) -> tuple[int, int]:
    """A model's made-up prices, USD per *billion* tokens of prompt and completion, by its name; `.../free` is free.

    Prompts cost from $0.10 to $3.09 a million tokens, completions four times as much.
    """
    if name.rpartition("/")[2] == "free":
        return 0, 0
    prompt = 100 + 10 * (crc32(name.encode()) % 300)
    return prompt, 4 * prompt


def openrouter_models(names: Iterable[str]) -> dict[str, Any]:
    """The list that OpenRouter asks of providers ("Provider Integration"); prices are texts, USD per token."""
    return {"data": [_openrouter_model(name) for name in names]}


def _openrouter_model(name: str) -> dict[str, Any]:
    prompt, completion = prices(name)
    return {
        "id": name,
        "name": f"Simulated: {name}",
        "created": CREATED_S,
        "description": "A simulated model. Its answers say so.",
        "context_length": CONTEXT_TOKENS,
        "max_completion_tokens": OUTPUT_TOKENS_MAX,
        "quantization": "fp8",
        "pricing": {"prompt": _per_token(prompt), "completion": _per_token(completion), "image": "0", "request": "0"},
    }


def _per_token(per_billion: int) -> str:
    """Whole dollars per billion tokens -> dollars per token as a plain decimal text."""
    return f"0.{per_billion:09d}".rstrip("0") if per_billion else "0"
