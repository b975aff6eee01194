"""Chat completions, as OpenRouter has them."""

import os

from openai import AsyncOpenAI
from pydantic_ai.providers.openrouter import OpenRouterProvider

client = AsyncOpenAI(base_url=os.environ["TOLLWAY_URL"] + "/api/v1", api_key=os.environ["TOLLWAY_KEY"])
provider = OpenRouterProvider(openai_client=client)
