"""langchain-anthropic: Messages, and thinking, which it takes back as it came."""

from typing import Any

import scene
from features import features
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from setup_anthropic import settings


def make(model: str, **more: Any) -> ChatAnthropic:
    return ChatAnthropic(model=model, max_tokens=4000, **settings, **more)


def thinking(model: str) -> None:
    llm = make(model, thinking={"type": "enabled", "budget_tokens": 1024})
    asked = [HumanMessage(scene.WEATHER)]
    message = llm.invoke(asked)
    assert any(block["type"] == "reasoning" and block["reasoning"] for block in message.content_blocks)
    assert llm.invoke([*asked, message, HumanMessage("Why?")]).text


scene.report("langchain-anthropic", "Messages", *features(make), thinking)
