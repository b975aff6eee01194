"""`langchain-openrouter`: chat completions with OpenRouter's additions. `OPENROUTER_API_BASE` does the same."""

import os

from langchain_openrouter import ChatOpenRouter

settings = {"base_url": os.environ["TOLLWAY_URL"] + "/api/v1", "api_key": os.environ["TOLLWAY_KEY"]}
llm = ChatOpenRouter(model="google/gemini-3.6-flash", **settings)
