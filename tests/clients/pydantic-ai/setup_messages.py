"""Anthropic's Messages."""

import os

from pydantic_ai.providers.anthropic import AnthropicProvider

provider = AnthropicProvider(base_url=os.environ["TOLLWAY_URL"] + "/api", api_key=os.environ["TOLLWAY_KEY"])
