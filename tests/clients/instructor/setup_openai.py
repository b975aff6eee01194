"""Over OpenAI's SDK; `instructor.from_provider("openai/...", base_url=...)` does the same."""

import os

import instructor
from openai import OpenAI

openai_client = OpenAI(base_url=os.environ["TOLLWAY_URL"] + "/api/v1", api_key=os.environ["TOLLWAY_KEY"])
client = instructor.from_openai(openai_client)
