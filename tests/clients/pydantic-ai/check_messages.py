"""pydantic-ai: Messages."""

import scene
from features import features
from pydantic_ai.models.anthropic import AnthropicModel
from setup_messages import provider


def make(model: str) -> AnthropicModel:
    return AnthropicModel(model, provider=provider)


scene.report("pydantic-ai-slim", "Messages", *features(make, native=False))
