"""pydantic-ai: chat completions."""

import scene
from features import features
from pydantic_ai.models.openrouter import OpenRouterModel
from setup_chat import provider


def make(model: str) -> OpenRouterModel:
    return OpenRouterModel(model, provider=provider)


scene.report("pydantic-ai-slim", "chat", *features(make))
