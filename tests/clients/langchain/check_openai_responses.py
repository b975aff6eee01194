"""langchain-openai: Responses."""

import scene
from features import features
from langchain_openai import ChatOpenAI
from setup_openai import settings


def make(model: str) -> ChatOpenAI:
    return ChatOpenAI(model=model, use_responses_api=True, **settings)


scene.report("langchain-openai", "Responses", *features(make))
