"""LiteLLM as a client, with its `openrouter/` provider. `OPENROUTER_API_BASE` and `OPENROUTER_API_KEY` do the same."""

import os

import litellm

settings = {"api_base": os.environ["TOLLWAY_URL"] + "/api/v1", "api_key": os.environ["TOLLWAY_KEY"]}
answer = litellm.completion("openrouter/openai/gpt-5.6-luna", [{"role": "user", "content": "Hello!"}], **settings)
