"""langchain-openrouter: chat completions, with thoughts and the cost."""

from typing import Any

import scene
from features import features
from langchain_openrouter import ChatOpenRouter
from setup_openrouter import settings


def make(model: str, **more: Any) -> ChatOpenRouter:
    return ChatOpenRouter(model=model, **settings, **more)


def thinking(model: str) -> None:
    message = make(model, reasoning={"effort": "low"}).invoke(scene.WEATHER)
    assert any(block["type"] == "reasoning" and block["reasoning"] for block in message.content_blocks)


def cost(model: str) -> None:
    assert make(model).invoke(scene.HELLO).response_metadata["cost"] > 0


scene.report("langchain-openrouter", "chat", *features(make), thinking, cost)
