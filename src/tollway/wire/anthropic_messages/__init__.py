"""Anthropic's Messages API, with OpenRouter's additions."""
