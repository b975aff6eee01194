"""`langchain-openai`: chat completions, or Responses with `use_responses_api=True`."""

import os

from langchain_openai import ChatOpenAI

settings = {"base_url": os.environ["TOLLWAY_URL"] + "/api/v1", "api_key": os.environ["TOLLWAY_KEY"]}
llm = ChatOpenAI(model="openai/gpt-5.6-luna", **settings)
