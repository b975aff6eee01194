"""langchain-openai: chat completions."""

import scene
from features import features
from langchain_openai import ChatOpenAI
from setup_openai import settings


def make(model: str) -> ChatOpenAI:
    return ChatOpenAI(model=model, stream_usage=True, **settings)


scene.report("langchain-openai", "chat", *features(make))
