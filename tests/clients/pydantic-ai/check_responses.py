"""pydantic-ai: Responses."""

import scene
from features import features
from pydantic_ai.models.openai import OpenAIResponsesModel
from setup_responses import provider


def make(model: str) -> OpenAIResponsesModel:
    return OpenAIResponsesModel(model, provider=provider)


scene.report("pydantic-ai-slim", "Responses", *features(make))
