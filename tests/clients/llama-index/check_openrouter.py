"""llama-index-llms-openrouter: chat completions."""

import scene
from features import features
from llama_index.llms.openrouter import OpenRouter
from setup_openrouter import settings


def make(model: str) -> OpenRouter:
    return OpenRouter(model=model, is_function_calling_model=True, **settings)


scene.report("llama-index-llms-openrouter", "chat", *features(make))
