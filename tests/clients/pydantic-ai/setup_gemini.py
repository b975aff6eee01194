"""Gemini's format."""

import os

from pydantic_ai.providers.google import GoogleProvider

provider = GoogleProvider(base_url=os.environ["TOLLWAY_URL"], api_key=os.environ["TOLLWAY_KEY"])
