"""llama-index-llms-openai-like: chat completions."""

import scene
from features import features
from llama_index.llms.openai_like import OpenAILike
from setup_openai_like import settings


def make(model: str) -> OpenAILike:
    return OpenAILike(model=model, is_chat_model=True, is_function_calling_model=True, **settings)


scene.report("llama-index-llms-openai-like", "chat", *features(make))
