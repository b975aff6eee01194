"""Google's SDK, which speaks Gemini's format to any model. `GOOGLE_GEMINI_BASE_URL` and `GEMINI_API_KEY` in the
environment do without the arguments."""

import os

from google import genai

client = genai.Client(api_key=os.environ["TOLLWAY_KEY"], http_options={"base_url": os.environ["TOLLWAY_URL"]})
