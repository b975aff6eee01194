"""`langchain-anthropic`: Anthropic's Messages."""

import os

from langchain_anthropic import ChatAnthropic

settings = {"base_url": os.environ["TOLLWAY_URL"] + "/api", "api_key": os.environ["TOLLWAY_KEY"]}
llm = ChatAnthropic(model="anthropic/claude-haiku-5.5", **settings)
