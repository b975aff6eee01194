"""The SDK of 2023, as many programs still have it. `OPENAI_API_BASE` and `OPENAI_API_KEY` do the same."""

import os

import openai

openai.api_base = os.environ["TOLLWAY_URL"] + "/api/v1"
openai.api_key = os.environ["TOLLWAY_KEY"]
