"""`llama-index-llms-openrouter`: the same with OpenRouter's defaults. `OPENROUTER_API_BASE` does the same."""

import os

from llama_index.llms.openrouter import OpenRouter

settings = {"api_base": os.environ["TOLLWAY_URL"] + "/api/v1", "api_key": os.environ["TOLLWAY_KEY"]}
llm = OpenRouter(model="google/gemini-3.6-flash", **settings)
