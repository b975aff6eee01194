"""OpenAI's chat completions, with OpenRouter's additions."""
