"""OpenAI's SDK. `OPENAI_BASE_URL` and `OPENAI_API_KEY` in the environment do without the arguments; `/v1` works too."""

import os

from openai import OpenAI

client = OpenAI(base_url=os.environ["TOLLWAY_URL"] + "/api/v1", api_key=os.environ["TOLLWAY_KEY"])
