"""Anthropic's SDK, which adds `/v1/messages` itself. `ANTHROPIC_BASE_URL` and `ANTHROPIC_AUTH_TOKEN` (or
`ANTHROPIC_API_KEY`) in the environment do without the arguments."""

import os

from anthropic import Anthropic

client = Anthropic(base_url=os.environ["TOLLWAY_URL"] + "/api", api_key=os.environ["TOLLWAY_KEY"])
