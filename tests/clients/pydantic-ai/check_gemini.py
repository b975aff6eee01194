"""pydantic-ai: Gemini's format."""

import scene
from features import features
from pydantic_ai.models.google import GoogleModel
from setup_gemini import provider


def make(model: str) -> GoogleModel:
    return GoogleModel(model, provider=provider)


scene.report("pydantic-ai-slim", "Gemini", *features(make))
