"""`llama-index-llms-openai-like`: chat completions with any model. It has to be told what the model can do."""

import os

from llama_index.llms.openai_like import OpenAILike

settings = {"api_base": os.environ["TOLLWAY_URL"] + "/api/v1", "api_key": os.environ["TOLLWAY_KEY"]}
llm = OpenAILike(model="openai/gpt-5.6-luna", is_chat_model=True, is_function_calling_model=True, **settings)
