"""OpenAI's Responses."""

import os

from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url=os.environ["TOLLWAY_URL"] + "/v1", api_key=os.environ["TOLLWAY_KEY"])
