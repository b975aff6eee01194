"""Over Anthropic's SDK."""

import os

import instructor
from anthropic import Anthropic

anthropic_client = Anthropic(base_url=os.environ["TOLLWAY_URL"] + "/api", api_key=os.environ["TOLLWAY_KEY"])
client = instructor.from_anthropic(anthropic_client)
