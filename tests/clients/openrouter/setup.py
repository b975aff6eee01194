"""OpenRouter's SDK. Use its `with`, or `client.close()`, as its documents say."""

import os

from openrouter import OpenRouter

client = OpenRouter(server_url=os.environ["TOLLWAY_URL"] + "/api/v1", api_key=os.environ["TOLLWAY_KEY"])
